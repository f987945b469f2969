#!/usr/bin/python3
"""TLS: who is let in, with what; settings and their reload; load, silence and garbage at the port."""

import hashlib
import os
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (PATIENCE, STAVE, Process, Stave, expect,  # noqa: E402
                                       expect_error, free_port, info, is_closed, raw, wait_until)
from tests.support import resp, tls  # noqa: E402

certs = None  # of this run
UPDATE = "ERR CONFIG SET failed (possibly related to argument '%s') - " \
         "Unable to update TLS configuration. Check server logs."


def server(**more):
    """Not started; .tls is its port."""
    port = free_port()
    s = Stave(certs.options(port, **more))
    s.tls = port
    return s


def connect(s, name="client", context=None):
    return resp.Connection("127.0.0.1", s.tls, timeout=PATIENCE, tls=context or certs.context(name))


def admitted(s, name="client", context=None):
    """Does a client with that certificate get an answer? (In TLS 1.3 it hears of a refusal only after
    its own handshake.)"""
    try:
        c = connect(s, name, context)
        expect(c.call("PING"), "PONG")
        c.close()
        return True
    except (OSError, EOFError):
        return False


def log_has(s, text):
    wait_until(lambda: text in open(s.log_path).read(), "%r in the log" % text)


# ---- ports -------------------------------------------------------------------------------------------


def test_both_ports():
    with server().start() as s:
        c, plain = connect(s), s.connect()
        expect(c.call("SET", "k", "v"), "OK")
        expect(plain.call("GET", "k"), b"v")
        line = c.call("CLIENT", "INFO").decode()
        assert "laddr=127.0.0.1:%d" % s.tls in line, line
        expect(info(c, "tcp_port"), s.port)
        expect(info(c, "listener0"), "name=tcp,bind=127.0.0.1,port=%d" % s.port)
        expect(info(c, "listener2"), "name=tls,bind=127.0.0.1,port=%d" % s.tls)
        log_has(s, "Ready to accept connections tls, port %d" % s.tls)
        expect(s.stop(), 0)


def test_tls_port_alone():
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        words = [w for n, v in certs.options(port).items() for w in ("--" + n, v)]
        with Process("--port", 0, "--bind", "127.0.0.1", "--dir", top, "--unixsocket", top + "/s", *words) as p:
            u = p.connect(unix=top + "/s")  # a unix socket has no TLS
            expect(info(u, "tcp_port"), port)
            c = resp.Connection("127.0.0.1", port, tls=certs.context())
            expect(c.call("PING"), "PONG")
            expect(p.end()[0], 0)


def test_port_moves():
    with server(tls_port=0).start() as s:
        plain = s.connect()
        expect(plain.call("CONFIG", "SET", "tls-port", s.tls), "OK")
        expect(admitted(s), True)
        c = connect(s)
        s.tls = free_port()
        expect(plain.call("CONFIG", "SET", "tls-port", s.tls), "OK")
        expect((admitted(s), c.call("PING")), (True, "PONG"))
        expect_error(plain.ask("CONFIG", "SET", "tls-port", s.port), "ERR CONFIG SET failed "
                     "(possibly related to argument 'tls-port') - ")
        expect((admitted(s), plain.call("CONFIG", "GET", "tls-port")), (True, [b"tls-port", b"%d" % s.tls]))
        expect(plain.call("CONFIG", "SET", "bind", "127.0.0.2"), "OK")
        expect(admitted(s), False)
        expect(plain.call("CONFIG", "SET", "bind", "127.0.0.1"), "OK")
        expect(admitted(s), True)
        expect(plain.call("CONFIG", "SET", "tls-port", 0), "OK")
        expect(admitted(s), False)
        expect(c.call("PING"), "PONG")


def test_bad_at_start():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        def start(**more):
            words = [w for n, v in certs.options(free_port(), **more).items() for w in ("--" + n, str(v))]
            code, out, errors = harness.run_once("--port", 0, "--dir", top, *words)
            assert code == 1 and "Failed to configure TLS. Check logs for more info." in errors, out + errors
            return out
        for text, more in (
                ("No tls-cert-file configured!", {"tls_cert_file": ""}),
                ("No tls-key-file configured!", {"tls_key_file": ""}),
                ("Failed to load certificate: /nowhere: error:", {"tls_cert_file": "/nowhere"}),
                ("Failed to load private key: ", {"tls_key_file": certs.path("other.key")}),
                ("Failed to load private key: ", {"tls_key_file": certs.path("locked.key")}),
                ("Either tls-ca-cert-file or tls-ca-cert-dir must be specified", {"tls_ca_cert_file": ""}),
                ("Invalid tls-protocols specified.", {"tls_protocols": "TLSv1.2,TLSv1.3"}),
                ("Failed to configure ciphers: nothing", {"tls_ciphers": "nothing"}),
                ("failed to read DH params.", {"tls_dh_params_file": certs.path("ca.crt")})):
            out = start(**more)
            assert text in out, out


# ---- clients' certificates ---------------------------------------------------------------------------


def test_client_certificates():
    with server().start() as s:
        plain = s.connect()
        for mode, wanted in (("yes", [True, False, False]), ("no", [True, True, True]),
                             ("optional", [True, True, False])):
            expect(plain.call("CONFIG", "SET", "tls-auth-clients", mode), "OK")
            expect([admitted(s, n) for n in ("client", None, "stranger")], wanted, mode)
        log_has(s, "Error accepting a client connection: error:")
        assert "peer did not return a certificate" in open(s.log_path).read()
        strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        strict.check_hostname = False
        expect(admitted(s, context=strict), False)  # it does not know our CA


def test_ca_directory():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        shutil.copy(certs.path("ca.crt"), top)
        certs.openssl("rehash", top)
        with server(tls_ca_cert_file="", tls_ca_cert_dir=top).start() as s:
            expect([admitted(s), admitted(s, "stranger")], [True, False])


def test_locked_key():
    with server(tls_key_file=certs.path("locked.key"), tls_key_file_pass="secret").start() as s:
        expect(admitted(s), True)
        expect_error(s.connect().ask("CONFIG", "SET", "tls-key-file-pass", "wrong"), UPDATE % "tls-key-file-pass")
        expect(admitted(s), True)


# ---- protocols ---------------------------------------------------------------------------------------


def agreed(s, versions=None, ciphers=None):
    """(protocol, cipher) of a connection; None if there is no agreement."""
    context = certs.context()
    if versions:
        context.minimum_version, context.maximum_version = versions, versions
    if ciphers:
        context.set_ciphers(ciphers)
    try:
        c = connect(s, context=context)
        expect(c.call("PING"), "PONG")
        return c.socket.version(), c.socket.cipher()[0]
    except (OSError, EOFError):
        return None


def test_protocols():
    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with server().start() as s:
        plain = s.connect()
        expect([agreed(s, v)[0] for v in (v12, v13)], ["TLSv1.2", "TLSv1.3"])
        expect(plain.call("CONFIG", "SET", "tls-protocols", "TLSv1.2"), "OK")
        expect((agreed(s)[0], agreed(s, v13)), ("TLSv1.2", None))
        expect(plain.call("CONFIG", "SET", "tls-protocols", "tlsv1.3"), "OK")
        expect((agreed(s)[0], agreed(s, v12)), ("TLSv1.3", None))
        expect_error(plain.ask("CONFIG", "SET", "tls-protocols", "SSLv3"), UPDATE % "tls-protocols")
        expect(agreed(s)[0], "TLSv1.3")
        expect(plain.call("CONFIG", "SET", "tls-protocols", "", "tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256",
                          "tls-ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"), "OK")
        expect(agreed(s)[1], "TLS_CHACHA20_POLY1305_SHA256")
        expect(agreed(s, v12)[1], "ECDHE-ECDSA-AES256-GCM-SHA384")
        expect(agreed(s, v12, "ECDHE-ECDSA-AES128-GCM-SHA256"), None)


def test_whose_ciphers():
    a, b = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    v12 = ssl.TLSVersion.TLSv1_2
    with server(tls_ciphers=a + ":" + b).start() as s:
        expect(agreed(s, v12, b + ":" + a)[1], b)
        expect(s.connect().call("CONFIG", "SET", "tls-prefer-server-ciphers", "yes"), "OK")
        expect(agreed(s, v12, b + ":" + a)[1], a)


def test_sessions():
    """A client that comes back need not go through all of it again, unless it is switched off."""
    def again(s):
        context = certs.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        session = None
        for _ in range(2):
            plain = socket.create_connection(("127.0.0.1", s.tls), PATIENCE)
            with context.wrap_socket(plain, session=session) as c:
                c.sendall(b"PING\r\n")
                expect(c.recv(100), b"+PONG\r\n")
                session, reused = c.session, c.session_reused
        return reused
    with server().start() as s:
        expect(again(s), True)
        expect(s.connect().call("CONFIG", "SET", "tls-session-caching", "no"), "OK")
        expect(again(s), False)


def test_sessions_and_certificates():
    """Who was let in without a certificate does not come in again by that session when one is asked for."""
    with server(**{"tls-auth-clients": "no", "tls-session-caching": "yes"}).start() as s:
        plain = s.connect()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            expect(plain.call("CONFIG", "SET", "tls-auth-clients", "no"), "OK")
            context = certs.context(None)
            context.maximum_version = version

            def ask(session):
                """The session of a connection that got an answer, and whether it was the one that was given."""
                with socket.create_connection(("127.0.0.1", s.tls), timeout=PATIENCE) as raw_socket, \
                        context.wrap_socket(raw_socket, session=session) as c:
                    c.sendall(b"PING\r\n")
                    expect(c.recv(100), b"+PONG\r\n")
                    return c.session, c.session_reused

            session, _ = ask(None)
            assert ask(session)[1], version
            expect(plain.call("CONFIG", "SET", "tls-auth-clients", "yes"), "OK")
            try:
                ask(session)
                assert False, "let in by a session of %s" % version
            except (OSError, EOFError):
                pass


def test_dh_params():
    path = certs.path("dh.pem")
    if not os.path.exists(path):
        certs.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path)
    with server(tls_dh_params_file=path).start() as s:
        expect(admitted(s), True)


# ---- settings ----------------------------------------------------------------------------------------


def shown(s):
    """Who the server says it is."""
    c = connect(s)
    found = c.socket.getpeercert()["subject"][0][0][1]
    c.close()
    return found


def test_reload():
    with server().start() as s:
        plain, early = s.connect(), connect(s)
        pair = ["tls-cert-file", certs.path("other.crt"), "tls-key-file", certs.path("other.key")]
        expect(shown(s), "server")
        expect(plain.call("CONFIG", "SET", *pair), "OK")
        expect((shown(s), early.call("PING")), ("other", "PONG"))
        for words in (["tls-cert-file", certs.path("server.crt")],  # without its key
                      ["tls-key-file", "/nowhere"], ["tls-ca-cert-file", "/nowhere"],
                      ["tls-key-file", certs.path("server.key"), "tls-cert-file", "/nowhere"]):
            expect_error(plain.ask("CONFIG", "SET", *words), UPDATE % words[0])
            expect((shown(s), early.call("PING")), ("other", "PONG"))
        expect(plain.call("CONFIG", "GET", "tls-cert-file"), [b"tls-cert-file", pair[1].encode()])
        log_has(s, "Failed to load certificate: /nowhere: error:")
        before = open(s.log_path).read()
        assert "Restoring" not in before, before
        expect(plain.call("CONFIG", "SET", *pair[:2], "tls-key-file", pair[3]), "OK")  # the same again
        expect(shown(s), "other")


def test_same_file_renewed():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        def put(name):
            shutil.copy(certs.path(name + ".crt"), top + "/c")
            shutil.copy(certs.path(name + ".key"), top + "/k")
        put("server")
        with server(tls_cert_file=top + "/c", tls_key_file=top + "/k").start() as s:
            put("other")
            expect(shown(s), "server")
            expect(s.connect().call("CONFIG", "SET", "tls-cert-file", top + "/c"), "OK")
            expect(shown(s), "other")


def test_settings_without_tls():
    with Stave().start() as s:
        c = s.connect()
        expect(c.call("CONFIG", "SET", "tls-cert-file", "/nowhere"), "OK")  # nothing uses it
        expect_error(c.ask("CONFIG", "SET", "tls-port", free_port()), UPDATE % "tls-port")
        expect(c.call("CONFIG", "GET", "tls-port"), [b"tls-port", b"0"])
        s.tls = free_port()
        words = [w for n, v in certs.options(s.tls).items() for w in (n, v)]
        expect(c.call("CONFIG", "SET", *words), "OK")
        expect(admitted(s), True)
        names = dict(zip(*[iter(c.call("CONFIG", "GET", "tls-*"))] * 2))
        expect((len(names), names[b"tls-auth-clients"]), (20, b"yes"))


# ---- load --------------------------------------------------------------------------------------------


def test_much_both_ways():
    """A hundred megabytes of commands while their replies are read, and values of several sizes."""
    with server().start() as s:
        c, n = connect(s), 400000
        big = os.urandom(100 << 20)
        expect(c.call("SET", "big", big), "OK")
        c.send("GET", "big")
        expect(c._line(), b"$%d" % len(big))
        come = hashlib.sha1(c.data[c.at:])
        left = len(big) - len(c.data) + c.at + 2
        c.data, c.at = b"", 0
        while left > 0:
            data = c.socket.recv(1 << 18)
            left -= len(data)
            come.update(data)
        expect(come.digest(), hashlib.sha1(big + b"\r\n").digest())
        del big
        value = b"v" * 250
        one = resp.encode(["ECHO", value])
        want = b"$250\r\n%s\r\n" % value
        total = n * len(want)
        # Python's SSL objects must not be used by two threads at a time: so it takes turns.
        sock, got, chunk = c.socket, 0, one * 1000
        sock.setblocking(False)
        view, left, tail = memoryview(chunk), n // 1000, b""
        place = 0
        end = time.monotonic() + PATIENCE
        while got < total:
            assert time.monotonic() < end, "%d of %d bytes came" % (got, total)
            moved = False
            if left:
                try:
                    place += sock.send(view[place:])
                    moved = True
                    if place == len(chunk):
                        place, left = 0, left - 1
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            try:
                data = sock.recv(1 << 18)
                assert data, "closed after %d bytes" % got
                got += len(data)
                tail = (tail + data)[-len(want):]
                moved = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            if not moved:
                time.sleep(0.0005)
        expect((got, tail), (total, want))
        expect(s.connect().call("PING"), "PONG")


def test_commands_in_one_record():
    """More commands in a record than a read of the server takes; the last one may be cut anywhere."""
    with server().start() as s:
        c = connect(s)
        for size in (1, 100, 5000, 16000):
            value = b"x" * size
            c.send_raw(resp.encode(["ECHO", value]) * 50 + b"*2\r\n$4\r\nEC")
            expect([c.reply() for _ in range(50)], [value] * 50)
            c.send_raw(b"HO\r\n$1\r\ny\r\n")
            expect(c.reply(), b"y")


def test_byte_at_a_time():
    """The handshake and a command, each byte a packet of its own."""
    with server().start() as s:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        side = certs.context().wrap_bio(incoming, outgoing)
        sock = raw(s.tls)

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        sock.sendall(bytes([byte]))
                    incoming.write(sock.recv(1 << 16))
        until(side.do_handshake)
        side.write(b"PING\r\n")
        expect(until(lambda: side.read(100)), b"+PONG\r\n")


def test_many_connections():
    with server().start() as s:
        context = certs.context()
        many = [connect(s, context=context) for _ in range(500)]
        expect([c.call("PING") for c in many], ["PONG"] * 500)
        plain = s.connect()
        expect(info(plain, "connected_clients"), 501)
        each = info(plain, "mem_clients_normal") / 501
        print("MEASURED: %d bytes a client of 500 over TLS" % each)
        assert 5000 < each < 40000, each
        for c in many:
            c.close()
        wait_until(lambda: info(plain, "connected_clients") == 1, "the end of all")


# ---- those who do not play along ---------------------------------------------------------------------


def test_plain_bytes():
    with server().start() as s:
        for text, error in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http request"),
                            (resp.encode(["PING"]), "wrong version number")):
            p = raw(s.tls)
            p.sendall(text)
            assert is_closed(p)
            log_has(s, "Error accepting a client connection: error:")
            log_has(s, error)
        p = raw(s.tls)
        p.close()  # without a word
        expect(admitted(s), True)
        p = raw(s.port)  # and TLS to the plain port
        p.settimeout(PATIENCE)
        try:
            certs.context().wrap_socket(p)
            assert False, "a handshake with the plain port"
        except OSError:
            pass
        expect(s.connect().call("PING"), "PONG")


def test_silence():
    """Who does not finish its handshake counts as a client, holds up nobody, and is closed."""
    with server(maxclients=12).start() as s:
        begun = time.monotonic()
        silent = [raw(s.tls) for _ in range(10)]
        silent[0].sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a first record
        plain = s.connect()
        wait_until(lambda: info(plain, "connected_clients") == 11, "ten that are silent")
        expect(admitted(s), True)
        wait_until(lambda: info(plain, "connected_clients") == 11, "its end")
        more = [raw(s.tls)]
        wait_until(lambda: info(plain, "connected_clients") == 12, "one more")
        expect(admitted(s), False)
        expect(info(plain, "rejected_connections"), 1)
        for p in silent + more:
            p.settimeout(PATIENCE)
            assert is_closed(p)
        assert 8 < time.monotonic() - begun < 100, time.monotonic() - begun
        expect((info(plain, "connected_clients"), admitted(s)), (1, True))


def test_storm():
    """Many handshakes at once: who is there already is served meanwhile."""
    with server().start() as s:
        plain, context, done = s.connect(), certs.context(), []

        def come():
            for _ in range(20):
                connect(s, context=context).close()
            done.append(True)
        threads = [threading.Thread(target=come) for _ in range(8)]
        for t in threads:
            t.start()
        longest = 0
        while len(done) < 8 and any(t.is_alive() for t in threads):
            begun = time.monotonic()
            plain.call("PING")
            longest = max(longest, time.monotonic() - begun)
        for t in threads:
            t.join()
        print("MEASURED: longest PING beside 160 handshakes: %.1f ms" % (longest * 1000))
        expect(len(done), 8)


def test_kill_and_close():
    with server().start() as s:
        c, plain = connect(s), s.connect()
        ident = c.call("CLIENT", "ID")
        expect(plain.call("CLIENT", "KILL", "ID", ident), 1)
        try:
            expect(c.socket.recv(100), b"")  # told in TLS' own words: no error
        except ConnectionResetError:
            pass
        c = connect(s)
        c.send("QUIT")
        expect((c.reply(), c.socket.recv(100)), ("OK", b""))
        c = connect(s)  # half closed: what it asked for is answered
        c.send_raw(b"PING\r\nPING\r\n")
        try:
            c.socket.unwrap()
        except ssl.SSLError:  # Python wants no bytes behind its own end
            pass
        wait_until(lambda: info(plain, "connected_clients") == 1, "its end")
        c = connect(s)
        s.kill()
        try:
            expect(c.socket.recv(100), b"")
        except OSError:
            pass


def test_push_and_block():
    """Output that nobody asked for just now, and clients that wait."""
    with server().start() as s:
        a, b, plain = connect(s), connect(s), s.connect()
        expect(a.call("SUBSCRIBE", "news"), [b"subscribe", b"news", 1])
        b.send("BLPOP", "list", "0")
        wait_until(lambda: info(plain, "blocked_clients") == 1, "a blocked client")
        expect(plain.call("PUBLISH", "news", b"x" * 40000), 1)
        expect(a.reply(), [b"message", b"news", b"x" * 40000])
        b.send("PING")
        expect(plain.call("RPUSH", "list", "e"), 1)
        expect([b.reply(), b.reply()], [[b"list", b"e"], "PONG"])


def test_children():
    """A child that is forked and ends says nothing to the clients it has inherited."""
    with server(**{n.replace("-", "_"): v for n, v in harness.SMALL.items()}).start() as s:
        c = connect(s)
        before = info(c, "total_forks")
        for i in range(3000):
            c.send("SET", "key:%d" % (i % 100), b"%d" % i + b"x" * 3000)
            if i % 100 == 99:
                for _ in range(100):
                    expect(c.reply(), "OK")
        c.call("BGREWRITEAOF")
        wait_until(lambda: info(c, "total_forks") > before, "a child")
        wait_until(lambda: info(c, "rdb_bgsave_in_progress") == 0 and info(c, "aof_rewrite_in_progress") == 0,
                   "its end")
        expect(c.call("GET", "key:99")[:4], b"2999")


def test_migrate():
    """With tls-cluster keys go to the other server's TLS port, as in Redis."""
    with server(tls_cluster="yes").start() as s, server().start() as other:
        c = s.connect()
        for i in range(20):
            c.call("SET", "k%d" % i, "v%d" % i)
        names = ["k%d" % i for i in range(20)]
        for _ in range(2):  # over a new connection, and over the one that is kept
            some, names = names[:10], names[10:]
            expect(c.call("MIGRATE", "127.0.0.1", other.tls, "", 0, 5000, "KEYS", *some), "OK")
        expect((c.call("DBSIZE"), other.connect().call("DBSIZE")), (0, 20))
        c.call("SET", "big", b"b" * 5000000)
        expect(c.call("MIGRATE", "127.0.0.1", other.tls, "big", 0, 5000), "OK")
        expect(other.connect().call("STRLEN", "big"), 5000000)
        c.call("SET", "k", "v")
        expect_error(c.ask("MIGRATE", "127.0.0.1", other.port, "k", 0, 500), "IOERR")  # no TLS there
        expect(c.call("CONFIG", "SET", "tls-cluster", "no"), "OK")
        expect(c.call("MIGRATE", "127.0.0.1", other.port, "k", 0, 5000), "OK")


def main():
    global certs
    if not tls.is_built(STAVE):
        print("SKIPPED: this server has no TLS\n0 passed, 0 failed")
        return 0
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        certs = tls.Certificates(top)
        return harness.main(globals())


if __name__ == "__main__":
    sys.exit(main())
