"""A RESP client for tests that keeps every byte: replies both parsed and raw, RESP2 and RESP3."""

import socket


class Error(Exception):
    """An error reply."""

    def __eq__(self, other):
        return isinstance(other, Error) and str(self) == str(other)

    def __hash__(self):
        return hash(str(self))


class Push(list):
    """An out-of-band message."""


def encode(args):
    """A command as a multibulk request. Arguments: bytes, str or numbers."""
    out = [b"*%d\r\n" % len(args)]
    for a in args:
        if not isinstance(a, bytes):
            a = str(a).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(a), a))
    return b"".join(out)


class Connection:
    def __init__(self, host, port, proto=2, timeout=60, unix=None, tls=None):
        """tls: the ssl.SSLContext to do it with."""
        if unix:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(unix)
        else:
            self.socket = socket.create_connection((host, port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.data = b""
        self.at = 0
        self.keeping = False  # raw_reply wants the bytes from its start
        if proto == 3:
            self.call("HELLO", "3")

    def close(self):
        self.socket.close()

    def send(self, *args):
        self.socket.sendall(encode(args))

    def send_raw(self, data):
        self.socket.sendall(data)

    def _fill(self):
        if self.at > 1 << 16 and not self.keeping:
            self.data = self.data[self.at:]
            self.at = 0
        more = self.socket.recv(1 << 16)
        if not more:
            raise EOFError("connection closed by the server")
        self.data += more

    def _line(self):
        while True:
            end = self.data.find(b"\r\n", self.at)
            if end >= 0:
                line = self.data[self.at:end]
                self.at = end + 2
                return line
            self._fill()

    def _bytes(self, n):
        while len(self.data) - self.at < n + 2:
            self._fill()
        value = self.data[self.at:self.at + n]
        self.at += n + 2
        return value

    def reply(self):
        """The next reply, parsed; an error reply is returned as an Error, not raised."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("latin-1")
        if kind == b"-":
            return Error(rest.decode("latin-1"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._bytes(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return int(rest)
        if kind == b"=":
            return self._bytes(int(rest))[4:]
        if kind == b"%":
            return {_hashable(self.reply()): self.reply() for _ in range(int(rest))}
        if kind == b"~":
            return [self.reply() for _ in range(int(rest))]
        if kind == b">":
            return Push(self.reply() for _ in range(int(rest)))
        if kind == b"|":
            for _ in range(2 * int(rest)):
                self.reply()
            return self.reply()
        raise ValueError("not RESP: %r" % line)

    def raw_reply(self):
        """The next reply's bytes, exactly as they came, and its parsed form."""
        self.data = self.data[self.at:]
        self.at = 0
        self.keeping = True
        value = self.reply()
        self.keeping = False
        return self.data[:self.at], value

    def call(self, *args):
        """Sends one command and returns its reply; an error reply is raised."""
        self.send(*args)
        value = self.reply()
        if isinstance(value, Error):
            raise value
        return value

    def ask(self, *args):
        """As call, but an error reply is returned."""
        self.send(*args)
        return self.reply()


def _hashable(v):
    return tuple(v) if isinstance(v, list) else v
