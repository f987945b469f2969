#!/usr/bin/python3
"""How a server lives and ends: configuration from standard input, daemon, pid and log file, banner,
signals, SHUTDOWN, a log that failed."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (ENGINE, SMALL, Process, Stave, expect, expect_error, free_port,  # noqa: E402
                                       info, run_once, wait_until)


def test_config_from_standard_input():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port = free_port()
        text = "# a comment\n\n  PORT %d\nbind 127.0.0.1\ndir \"%s/my \\x64ata\"\r\nhz 50\n" % (port, top)
        with Process("-", "--hz", "20", stdin=text) as p:
            c = p.connect(port)
            expect(c.call("CONFIG", "GET", "hz"), [b"hz", b"20"], "an option wins over the file")
            expect(c.call("SET", "k", "v"), "OK")
            expect_error(c.ask("CONFIG", "REWRITE"), "ERR The server is running without a config file")
            expect(os.path.isdir(top + "/my data"), True)
            expect(p.end()[0], 0)


def test_banner():
    with Stave().start() as s:
        s.connect().call("MSET", "a", "1", "b", "2")
        s.stop()
        s.start()
        text = s.log_tail(100).split("Ready to accept")[-2]
        for word in ("Stave ", "as Redis 7.2.4", "pid %d" % s.process.pid, "Engine %s in " % ENGINE,
                     os.path.realpath(s.data_directory()), "2 keys recovered in "):
            assert word in text, "no %r in %r" % (word, text)
        assert "tcp, port %d" % s.port in s.log_tail(5), s.log_tail()
        line = s.log_tail(1)
        assert re.match(r"\d+:M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [*#.-] ", line), line


def gone(pid):
    """True when no such process runs; one that nobody has reaped counts as gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_daemon():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port, pidfile, log = free_port(), top + "/stave.pid", top + "/stave.log"
        status, out, err = run_once("--port", port, "--bind", "127.0.0.1", "--dir", top + "/data",
                                    "--daemonize", "yes", "--pidfile", pidfile, "--logfile", log)
        expect((status, out, err), (0, "", ""))
        pid = int(wait_until(lambda: os.path.exists(pidfile) and open(pidfile).read(), "pid file"))
        try:
            c = wait_until(lambda: attempt(port), "the daemon")
            expect(info(c, "process_id"), pid)
            expect(os.getsid(pid), pid, "its session")
            expect(os.readlink("/proc/%d/fd/0" % pid), "/dev/null")
            expect(c.call("SET", "k", "v"), "OK")
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: gone(pid), "the daemon's end")
        finally:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
        expect(os.path.exists(pidfile), False, "pid file")
        text = open(log).read()
        for word in ("Ready to accept", "Received SIGTERM", "bye bye"):
            assert word in text, text


def attempt(port):
    try:
        return harness.resp.Connection("127.0.0.1", port)
    except OSError:
        return None


def test_daemon_that_cannot_start():
    """Who starts a daemon learns that there is none."""
    with Stave().start() as s, tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        status, out, err = run_once("--port", s.port, "--bind", "127.0.0.1", "--dir", top + "/data",
                                    "--daemonize", "yes", "--pidfile", top + "/pid")
        expect((status, out), (1, ""))
        assert "Address already in use" in err and len(err.strip().split("\n")) == 1, err
        expect(os.listdir(top), [])


def test_port_in_use_for_a_moment():
    """A child of a server that was killed may have its port a little longer."""
    s, other = Stave(), socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("127.0.0.1", s.port))
    other.listen()
    threading.Timer(0.3, other.close).start()
    with s:
        expect(s.connect().call("PING"), "PONG")


def test_pid_file_of_another():
    """A start that fails takes only its own pid file away."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        pidfile = top + "/pid"
        with Stave({"pidfile": pidfile}).start() as s:
            expect(open(pidfile).read(), "%d\n" % s.process.pid)
            expect(run_once("--port", s.port, "--bind", "127.0.0.1", "--dir", top + "/data",
                            "--pidfile", pidfile)[0], 1)
            expect(open(pidfile).read(), "%d\n" % s.process.pid)
            s.stop()
            expect(os.path.exists(pidfile), False)


def test_signals():
    for signo, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
        with Stave({"appendfsync": "everysec"}).start() as s:
            c, idle = s.connect(), s.connect()
            expect(c.call("SET", "k", name), "OK")
            s.process.send_signal(signo)
            expect(s.process.wait(harness.PATIENCE), 0)
            expect(harness.is_closed(idle.socket), True)
            assert "Received %s, scheduling shutdown" % name in s.log_tail(), s.log_tail()
            expect(s.start().connect().call("GET", "k"), name.encode())


def test_signals_without_effect():
    with Stave().start() as s:
        for signo in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
            s.process.send_signal(signo)
        expect(s.connect().call("PING"), "PONG")


def test_shutdown():
    for words in ([], ["NOSAVE"], ["SAVE"], ["NOW"], ["FORCE"], ["nosave", "now", "force"]):
        with Stave().start() as s:
            c, idle = s.connect(), s.connect()
            c.send("SET", "k", " ".join(words))
            c.send("SHUTDOWN", *words)
            c.send("SET", "k", "too late")
            expect(c.reply(), "OK")
            expect(harness.is_closed(c.socket), True)
            expect(harness.is_closed(idle.socket), True)
            expect(s.process.wait(harness.PATIENCE), 0, "SHUTDOWN %r" % words)
            expect(s.start().connect().call("GET", "k"), " ".join(words).encode())
    with Stave().start() as s:
        c = s.connect()
        for words in (["ABORT", "NOW"], ["SAVE", "NOSAVE"], ["LATER"]):
            expect_error(c.ask("SHUTDOWN", *words), "ERR syntax error")
        expect_error(c.ask("SHUTDOWN", "ABORT"), "ERR No shutdown in progress.")
        expect(c.call("PING"), "PONG")


def test_a_failed_log():
    """A write to the log that fails (here: the process' file size limit) is final: writes get an
    error, what is known stays readable, an end has to be asked for twice, and a new start has all
    that was acknowledged."""
    with Stave({"appendfsync": "always", "segment-size": "1mb"}).start() as s:
        c = s.connect()
        for i in range(100):
            c.call("SET", "before:%d" % i, "x" * 100)
        end = info(c, "log_end") & 0xffffffff  # in its file; the server's own messages are shorter
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (end, resource.RLIM_INFINITY))
        told = c.ask("SET", "during", "x" * 100)
        expect_error(told, "MISCONF")
        expect_error(c.ask("SET", "after", "x"), "MISCONF")
        expect_error(c.ask("DEL", "before:1"), "MISCONF")
        expect(c.call("GET", "before:99"), b"x" * 100)
        expect(info(c, "aof_last_write_status"), "err")
        assert info(c, "log_state").startswith("failed"), info(c, "log_state")
        assert "may not survive" in info(c, "aof_last_write_error"), info(c, "aof_last_write_error")
        expect_error(c.ask("SHUTDOWN"), "ERR Errors trying to SHUTDOWN")
        s.process.terminate()
        wait_until(lambda: "Not shutting down" in s.log_tail(), "a refusal to end")
        expect(c.call("PING"), "PONG")
        s.process.terminate()
        s.process.wait(harness.PATIENCE)
        c = s.start().connect()
        for i in range(100):
            expect(c.call("GET", "before:%d" % i), b"x" * 100)
        expect(c.call("GET", "after"), None)
        expect(c.call("SET", "anew", "x"), "OK")


def test_kill_while_loading():
    """Killed again and again while it recovers, a server still has everything at the end."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        n = 40000
        for start in range(0, n, 1000):
            c.send_raw(b"".join(harness.resp.encode(["SET", "key:%d" % i, "value:%d" % i + "x" * 100])
                                for i in range(start, start + 1000)))
            for _ in range(1000):
                expect(c.reply(), "OK")
        s.kill()
        for i in range(8):
            with Process(*s.command_line()[1:]) as p:
                time.sleep(0.005 * i)
                p.process.kill()
                p.process.wait()
        s.start()
        c = s.connect()
        expect(c.call("DBSIZE"), n)
        for i in range(0, n, 97):
            expect(c.call("GET", "key:%d" % i), b"value:%d" % i + b"x" * 100)
        expect(s.stop(), 0)


def connect_at_once(s):
    """A connection to a server that was just started, as soon as it listens."""
    def attempt():
        assert s.alive(), s.log_tail()
        try:
            return s.connect()
        except OSError:
            return None
    return wait_until(attempt, "a socket", pause=0.001)


def test_loading():
    """While it recovers, a server answers: how far it is, and -LOADING; and then all is there."""
    n = 400000
    with Stave().start() as s:
        c = s.connect()
        for start in range(0, n, 10000):
            c.send_raw(b"".join(b"*3\r\n$3\r\nSET\r\n$10\r\nkey:%06d\r\n$100\r\n%0100d\r\n" % (i, i)
                                for i in range(start, start + 10000)))
            for _ in range(10000):
                expect(c.reply(), "OK")
        s.kill()
        seen, busy = [], "LOADING Redis is loading the dataset in memory"
        log = open(s.log_path, "ab")
        s.process = subprocess.Popen(s.command_line(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        c = connect_at_once(s)
        began = time.time()
        while True:
            c.send("INFO", "persistence")
            for command in (["GET", "key:000001"], ["PING"], ["SET", "a", "b", "XX"], ["CLIENT", "ID"]):
                c.send(*command)
            text = c.reply().decode()
            get, ping, put, client = [c.reply() for _ in range(4)]
            if "\nloading:1\r" not in text:
                break
            fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
            if str(get) != busy:
                break  # it ended between the two
            expect((str(ping), str(put)), (busy, busy))
            assert isinstance(client, int), client
            assert began - 5 < int(fields["loading_start_time"]) <= time.time()
            done, total = int(fields["loading_loaded_bytes"]), int(fields["loading_total_bytes"])
            expect((fields["async_loading"], fields["loading_rdb_used_mem"]), ("0", "0"))
            assert 0 <= done <= total, fields
            if total:
                expect(fields["loading_loaded_perc"], "%.2f" % (100.0 * done / total))
            assert int(fields["loading_eta_seconds"]) >= (0 if done else -1), fields
            seen.append(done)
        assert len(set(seen)) >= 2 and seen == sorted(seen), seen
        wait_until(lambda: info(c, "loading") == 0, "the end of loading")
        assert "loading_total_bytes" not in c.call("INFO", "persistence").decode()
        expect(c.call("DBSIZE"), n)
        expect(c.call("GET", "key:000001"), b"%0100d" % 1)
        expect(c.call("GET", "a"), None)


def test_title_and_files():
    with Stave().start() as s:
        pid = s.process.pid
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            assert f.read().startswith(b"stave-server 127.0.0.1:%d" % s.port)
        for fd in os.listdir("/proc/%d/fd" % pid):
            assert "deleted" not in os.readlink("/proc/%d/fd/%s" % (pid, fd))


def test_stopped_and_continued():
    """Time that passes while the process is stopped does nothing but pass."""
    with Stave().start() as s:
        c = s.connect()
        c.call("SET", "short", "v", "PX", 50)
        c.call("SET", "long", "v", "PX", 1000000)
        s.process.send_signal(signal.SIGSTOP)
        c.send("GET", "long")
        time.sleep(0.3)
        s.process.send_signal(signal.SIGCONT)
        expect(c.reply(), b"v")
        wait_until(lambda: c.call("DBSIZE") == 1, "the short one's end")
        expect(info(c, "expired_keys"), 1)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
