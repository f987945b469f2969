"""The soak's workers: processes that load the server through writers of three kinds, each with keys of its own.
When the connection breaks they wait for the server's next start, compare what it holds with their models, and go
on. What they have to say goes through one queue; what they are told stands in shared memory."""

import multiprocessing
import time
import traceback

from tests.soak.wide_writer import WideWriter
from tests.torture.collection_writer import CollectionWriter
from tests.torture.model_writer import NEAR_MS
from tests.torture.string_writer import StringWriter

PATIENCE = 120  # seconds until a broken connection must have come back


class Orders:
    """What all workers look at. `starts` counts the server's starts; `wary`: writes may be refused now."""

    def __init__(self, workers):
        self.starts = multiprocessing.Value("i", 0)
        self.wary = multiprocessing.Value("i", 0)
        self.ending = multiprocessing.Value("i", 0)
        self.seen = multiprocessing.Array("i", workers)  # the last `wary` that each has taken up
        self.done = multiprocessing.Array("q", workers)
        self.refused = multiprocessing.Array("q", workers)
        self.said = multiprocessing.Queue()


class Failure(Exception):
    pass


class Worker:
    def __init__(self, number, seed, server, orders, scripts):
        self.number, self.server, self.orders = number, server, orders
        self.writers = [StringWriter(number, seed, scripts), CollectionWriter(number, seed), WideWriter(number, seed)]
        self.checks = 0
        for w in self.writers:
            w.wary = lambda: self.wary

    def take_up_orders(self):
        self.wary = self.orders.wary.value
        self.orders.seen[self.number] = self.wary
        self.orders.done[self.number] = sum(w.done for w in self.writers)
        self.orders.refused[self.number] = sum(w.refused for w in self.writers)

    def check(self, connections):
        time.sleep(NEAR_MS / 1000 * 2)
        for w, c in zip(self.writers, connections):
            if w.check(c) is None:
                raise Failure(w.explain(c))
        self.checks += 1

    def load(self, connections):
        """Until the end is ordered. A broken connection is an exception."""
        while not self.orders.ending.value:
            for w, c in zip(self.writers, connections):
                self.take_up_orders()
                if not w.pipeline(c):
                    raise Failure("%s %d got an error: %s" % (type(w).__name__, self.number, w.errors[-1]))

    def run(self):
        start = 0
        while True:
            self.await_start(start)
            start = self.orders.starts.value
            try:
                connections = [w.connect(self.server) for w in self.writers]
                self.check(connections)
                self.load(connections)
                self.check(connections)
                return
            except (OSError, EOFError):
                continue  # it was ended; if not, no other start comes, and that is found out

    def await_start(self, last):
        end = time.monotonic() + PATIENCE
        while self.orders.starts.value == last:
            self.take_up_orders()
            if time.monotonic() > end:
                raise Failure("worker %d lost its connection, and the server did not start anew" % self.number)
            time.sleep(0.05)


def main_of_worker(*args):
    """What a worker's process does; its last word is (number, what went wrong or None, checks)."""
    worker, wrong = Worker(*args), None
    try:
        worker.run()
    except Failure as why:
        wrong = str(why)
    except BaseException:
        wrong = traceback.format_exc()
    worker.take_up_orders()
    worker.orders.said.put((worker.number, wrong, worker.checks))


class Crew:
    def __init__(self, number, seed, server, scripts):
        self.orders, self.number = Orders(number), number
        self.orders_given = (server, seed, scripts)
        self.processes, self.gone = [], {}

    def start(self):
        server, seed, scripts = self.orders_given
        for i in range(self.number):
            p = multiprocessing.Process(target=main_of_worker, args=(i, seed, server, self.orders, scripts), daemon=True)
            p.start()
            self.processes.append(p)

    def wrong(self):
        """The first thing that went wrong with any of them."""
        while not self.orders.said.empty():
            number, wrong, checks = self.orders.said.get()
            self.gone[number] = (wrong, checks)
        return next((w for w, _ in self.gone.values() if w), None)

    def be_wary(self, yes):
        """Returns when all of them have taken it up: none sends more than one write at a time then."""
        self.orders.wary.value = int(yes)
        end = time.monotonic() + PATIENCE
        while any(seen != int(yes) for seen in self.orders.seen) and not self.wrong():
            if time.monotonic() > end:
                raise RuntimeError("a worker is stuck")
            time.sleep(0.02)

    def done(self):
        return sum(self.orders.done), sum(self.orders.refused)

    def end(self):
        """Has them compare all they know; how many comparisons there were in all. Raises what went wrong."""
        self.orders.ending.value = 1
        end = time.monotonic() + PATIENCE
        while len(self.gone) < self.number and not self.wrong() and time.monotonic() < end:
            time.sleep(0.05)
        if self.wrong():
            raise RuntimeError(self.wrong())
        if len(self.gone) < self.number:
            raise RuntimeError("a worker did not end")
        return sum(checks for _, checks in self.gone.values())

    def kill(self):
        for p in self.processes:
            if p.is_alive():
                p.kill()
            p.join()
