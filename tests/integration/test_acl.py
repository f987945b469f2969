#!/usr/bin/python3
"""Users on the real server: who is let in, what is refused with which words, what becomes of connections
when users change, and the files that users are kept in."""

import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Stave, expect, expect_error, info, raw, run_once,  # noqa: E402
                                       wait_until)

WRONGPASS = "WRONGPASS invalid username-password pair or user is disabled."
NO_KEY = "NOPERM No permissions to access a key"
NO_CHANNEL = "NOPERM No permissions to access a channel"
CHANGED = ("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
           "command is no longer allowed for the following reason: ")


def no_command(user, name):
    return "NOPERM User %s has no permissions to run the '%s' command" % (user, name)


def login(s, user, password="x", proto=2):
    c = s.connect(proto)
    expect(c.ask("AUTH", user, password), "OK")
    return c


def make(c, user, *rules):
    expect(c.ask("ACL", "SETUSER", user, "on", ">x", *rules), "OK")


def refused(c, words, *args):
    expect(str(c.ask(*args)), words, " ".join(args))


def has_ended(c):
    try:
        while True:
            c.reply()
    except (EOFError, OSError):
        return True


def log_of(c):
    return [dict(zip(e[::2], e[1::2])) for e in c.call("ACL", "LOG")]


# ---- who is let in ------------------------------------------------------------------------------

def test_passwords():
    with Stave().start() as s:
        admin, c = s.connect(), s.connect()
        expect(admin.call("ACL", "LIST"), [b"user default on nopass sanitize-payload ~* &* +@all"])
        expect_error(c.ask("AUTH", "x"), "ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?")
        expect(c.ask("AUTH", "default", "any"), "OK")
        refused(c, WRONGPASS, "AUTH", "bob", "x")
        expect(admin.ask("ACL", "SETUSER", "bob", ">x", ">y", "+@all", "~*"), "OK")
        refused(c, WRONGPASS, "AUTH", "bob", "x")  # off
        expect(admin.ask("ACL", "SETUSER", "bob", "on", "<y"), "OK")
        refused(c, WRONGPASS, "AUTH", "bob", "y")
        expect(c.call("ACL", "WHOAMI"), b"default")
        expect(c.ask("AUTH", "bob", "x"), "OK")
        expect(c.call("ACL", "WHOAMI"), b"bob")
        assert b" user=bob " in c.call("CLIENT", "INFO")
        expect(admin.ask("ACL", "SETUSER", "bob", "off", "resetpass"), "OK")
        expect(c.ask("PING"), "PONG")  # who is in stays in
        expect(c.ask("RESET"), "RESET")
        expect(c.call("ACL", "WHOAMI"), b"default")
        expect(info(admin, "acl_access_denied_auth"), 3)
        expect([(e[b"reason"], e[b"object"], e[b"username"], e[b"count"]) for e in log_of(admin)],
               [(b"auth", b"AUTH", b"bob", 3)])


def test_requirepass():
    with Stave({"requirepass": "first"}).start() as s:
        early, admin = s.connect(), s.connect()
        expect(admin.ask("AUTH", "first"), "OK")
        expect_error(early.ask("GET", "a"), "NOAUTH Authentication required.")
        digest = hashlib.sha256(b"first").hexdigest().encode()
        expect(admin.call("ACL", "LIST"), [b"user default on sanitize-payload #%s ~* &* +@all" % digest])
        expect(admin.ask("CONFIG", "SET", "requirepass", "second"), "OK")
        refused(early, WRONGPASS, "AUTH", "first")
        hello = early.call("HELLO", "3", "AUTH", "default", "second")
        expect(hello[b"proto"] if isinstance(hello, dict) else hello[5], 3)
        late = s.connect()
        expect(admin.ask("CONFIG", "SET", "requirepass", ""), "OK")
        expect(late.ask("GET", "a"), None)
        expect(admin.call("ACL", "LIST"), [b"user default on nopass sanitize-payload ~* &* +@all"])
        expect(admin.ask("ACL", "SETUSER", "default", ">third"), "OK")
        expect_error(s.connect().ask("GET", "a"), "NOAUTH Authentication required.")
        expect(admin.call("CONFIG", "GET", "requirepass"), [b"requirepass", b""])
        expect(admin.ask("ACL", "SETUSER", "default", "nopass", "off"), "OK")
        expect_error(s.connect().ask("GET", "a"), "NOAUTH Authentication required.")


# ---- what is refused ----------------------------------------------------------------------------

def test_commands_keys_channels():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+@read", "+set", "+copy", "+publish", "+client|getname", "+select|1", "+sort", "+object",
             "%R~in:*", "%W~out:*", "~both", "&news.*")
        bob = login(s, "bob")
        expect(bob.ask("GET", "in:1"), None)
        refused(bob, NO_KEY, "SET", "in:1", "x")
        expect(bob.ask("SET", "out:1", "x"), "OK")
        refused(bob, NO_KEY, "GET", "out:1")
        refused(bob, NO_KEY, "SET", "out:1", "x", "GET")
        expect(bob.ask("SET", "both", "x", "GET"), None)
        refused(bob, NO_KEY, "MGET", "in:1", "both", "other")
        expect(bob.ask("COPY", "both", "out:2"), 1)
        refused(bob, NO_KEY, "COPY", "out:2", "both")
        expect(bob.ask("EXISTS", "out:1"), 1)  # asks for no value
        refused(bob, no_command("bob", "del"), "DEL", "both")
        refused(bob, no_command("bob", "client|list"), "CLIENT", "LIST")
        expect(bob.ask("CLIENT", "GETNAME"), None)
        expect(bob.ask("SELECT", "1"), "OK")
        refused(bob, no_command("bob", "select"), "SELECT", "0")
        refused(bob, no_command("bob", "acl|whoami"), "ACL", "WHOAMI")
        expect(bob.ask("PUBLISH", "news.1", "x"), 0)
        refused(bob, NO_CHANNEL, "PUBLISH", "other", "x")
        refused(bob, "ERR BY option of SORT denied due to insufficient ACL permissions", "SORT", "both", "BY", "w_*")
        refused(bob, "ERR GET option of SORT denied due to insufficient ACL permissions", "SORT", "both", "GET", "#")
        expect(bob.ask("SORT", "in:1", "BY", "nosort"), [])
        refused(bob, "ERR wrong number of arguments for 'get' command", "GET")
        expect(admin.ask("ACL", "SETUSER", "bob", "%R~*"), "OK")
        expect(bob.ask("SORT", "in:1", "BY", "w_*", "GET", "#"), [])
        expect([info(admin, "acl_access_denied_" + w) for w in ("auth", "cmd", "key", "channel")], [0, 4, 5, 1])
        expect(admin.ask("CONFIG", "RESETSTAT"), "OK")
        expect(info(admin, "acl_access_denied_cmd"), 0)


def test_selectors():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+get", "~a", "(+set ~b)", "(+@all", "~c", "&c)")
        bob = login(s, "bob")
        expect(bob.ask("GET", "a"), None)
        expect(bob.ask("SET", "b", "1"), "OK")
        refused(bob, NO_KEY, "GET", "b")
        refused(bob, NO_KEY, "SET", "a", "1")
        expect(bob.ask("DEL", "c"), 0)
        refused(bob, NO_KEY, "DEL", "b")
        expect(bob.ask("PUBLISH", "c", "x"), 0)
        for line, answer in (("SET b 1", b"OK"), ("GET b", b"User bob has no permissions to access the 'b' key"),
                             ("PUBLISH d x", b"User bob has no permissions to access the 'd' channel"),
                             ("MGET c b a", b"User bob has no permissions to access the 'b' key")):
            found = admin.ask("ACL", "DRYRUN", "bob", *line.split())
            expect(found if isinstance(found, bytes) else found.encode(), answer)
        expect_error(admin.ask("ACL", "DRYRUN", "joe", "GET", "a"), "ERR User 'joe' not found")
        expect_error(admin.ask("ACL", "DRYRUN", "bob", "nope", "a"), "ERR Command 'nope' not found")
        expect_error(admin.ask("ACL", "DRYRUN", "bob", "GET"), "ERR wrong number of arguments for 'get' command")


def test_exec_asks_again():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+@all", "~*", "&*")
        bob = login(s, "bob")
        for line in ("MULTI", "SET a 1", "SET b 1", "PUBLISH x 1", "LPUSH l 1"):
            bob.ask(*line.split())
        expect(admin.ask("ACL", "SETUSER", "bob", "resetkeys", "~a", "~l", "resetchannels", "-lpush"), "OK")
        expect([str(x) for x in bob.ask("EXEC")],
               ["OK", CHANGED + "no permission to touch the specified keys",
                CHANGED + "no permission to access one of the channels used as arguments to the command",
                CHANGED + "no permission to execute the command or subcommand"])
        expect([(e[b"reason"], e[b"context"], e[b"object"]) for e in log_of(admin)],
               [(b"command", b"multi", b"lpush"), (b"channel", b"multi", b"x"), (b"key", b"multi", b"b")])
        bob.ask("MULTI")
        refused(bob, NO_KEY, "GET", "b")
        refused(bob, "EXECABORT Transaction discarded because of previous errors.", "EXEC")
        expect([(e[b"context"], e[b"object"], e[b"count"]) for e in log_of(admin)][0], (b"multi", b"b", 2))
        expect(info(admin, "acl_access_denied_key"), 2)


@harness.scripts
def test_scripts():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+@all", "-del", "~a")
        bob = login(s, "bob")
        expect(bob.ask("EVAL", "return redis.call('SET', 'a', '1')", "0"), "OK")
        expect_error(bob.ask("EVAL", "return redis.call('GET', 'b')", "0"),
                     "ERR ACL failure in script: No permissions to access a key")
        expect_error(bob.ask("EVAL", "return redis.pcall('DEL', 'a')", "0"),
                     "ERR ACL failure in script: User bob has no permissions to run the 'del' command")
        refused(bob, NO_KEY, "EVAL", "return 1", "1", "b")
        expect(bob.ask("EVAL", "return {redis.acl_check_cmd('GET', 'a'), redis.acl_check_cmd('GET', 'b')}", "0"),
               [1, None])
        expect([(e[b"context"], e[b"object"], e[b"count"]) for e in log_of(admin)],
               [(b"toplevel", b"b", 1), (b"lua", b"del", 1), (b"lua", b"b", 1)])


def test_blocked_client_is_asked_again():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+@all", "~*")
        bob, other = login(s, "bob"), s.connect()
        bob.send("BLPOP", "list", "0")
        wait_until(lambda: info(admin, "blocked_clients") == 1, "BLPOP waits")
        other.send("BLPOP", "list", "0")
        wait_until(lambda: info(admin, "blocked_clients") == 2, "and another")
        expect(admin.ask("ACL", "SETUSER", "bob", "resetkeys"), "OK")
        expect(admin.ask("RPUSH", "list", "x"), 1)
        expect(str(bob.reply()), NO_KEY)
        expect(other.reply(), [b"list", b"x"])
        expect(bob.ask("PING"), "PONG")
        assert "calls=1," in info(admin, "cmdstat_blpop") and "rejected_calls=1" in info(admin, "cmdstat_blpop")


# ---- what becomes of connections ----------------------------------------------------------------

def test_deleted_users_go():
    with Stave().start() as s:
        admin = s.connect()
        for name in ("bob", "joe"):
            make(admin, name, "+@all", "~*", "&*")
        bob, bob2, joe = login(s, "bob"), login(s, "bob"), login(s, "joe")
        expect_error(admin.ask("ACL", "DELUSER", "bob", "default"), "ERR The 'default' user cannot be removed")
        expect(admin.ask("ACL", "DELUSER", "bob", "nobody"), 1)
        assert has_ended(bob) and has_ended(bob2)
        expect(joe.ask("PING"), "PONG")
        expect(joe.ask("ACL", "DELUSER", "joe"), 1)  # himself: with the reply
        assert has_ended(joe)
        expect(admin.call("ACL", "USERS"), [b"default"])
        make(admin, "bob", "+@all", "~*")
        bob = login(s, "bob")
        expect_error(admin.ask("CLIENT", "KILL", "USER", "joe"), "ERR No such user 'joe'")
        expect(admin.ask("CLIENT", "KILL", "USER", "bob"), 1)
        assert has_ended(bob)


def test_subscribers_lose_what_they_heard():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+@all", "&news.*", "&plain")
        everything = s.connect()
        expect(everything.call("SUBSCRIBE", "news.1"), [b"subscribe", b"news.1", 1])
        stays, goes, pattern = login(s, "bob"), login(s, "bob"), login(s, "bob")
        stays.call("SUBSCRIBE", "plain")
        goes.call("SUBSCRIBE", "news.1")
        refused(pattern, NO_CHANNEL, "PSUBSCRIBE", "news.1*")
        pattern.call("PSUBSCRIBE", "news.*")
        expect(admin.ask("ACL", "SETUSER", "bob", "&more", "-get"), "OK")
        expect(admin.ask("PUBLISH", "news.1", "x"), 3)
        expect(admin.ask("ACL", "SETUSER", "bob", "resetchannels", "&plain", "&news.*.x"), "OK")
        assert has_ended(goes) and has_ended(pattern)
        expect(admin.ask("PUBLISH", "plain", "x"), 1)
        expect(stays.reply(), [b"message", b"plain", b"x"])
        expect(admin.ask("PUBLISH", "news.1", "y"), 1)


# ---- what is noted, and what is not shown ---------------------------------------------------------

def test_log():
    with Stave().start() as s:
        admin = s.connect()
        make(admin, "bob", "+get", "~a")
        bob = login(s, "bob")
        for i in range(3):
            refused(bob, NO_KEY, "GET", "b")
        for i in range(12):
            refused(bob, NO_KEY, "GET", "k%d" % i)
        expect(len(log_of(admin)), 10)
        refused(bob, NO_KEY, "GET", "b")  # too far behind: another entry
        entry = log_of(admin)[0]
        expect(sorted(entry), sorted([b"count", b"reason", b"context", b"object", b"username", b"age-seconds",
                                      b"client-info", b"entry-id", b"timestamp-created", b"timestamp-last-updated"]))
        expect((entry[b"count"], entry[b"entry-id"], entry[b"object"]), (1, 13, b"b"))
        assert b"user=bob" in entry[b"client-info"] and b"cmd=get" in entry[b"client-info"]
        assert 0 <= float(entry[b"age-seconds"]) < 60
        expect(len(admin.call("ACL", "LOG", "100")), 14)
        expect(admin.call("ACL", "LOG", "-5"), [])
        expect_error(admin.ask("ACL", "LOG", "x"), "ERR value is not an integer or out of range")
        expect(admin.ask("CONFIG", "SET", "acllog-max-len", "2"), "OK")
        expect(len(admin.call("ACL", "LOG", "100")), 2)
        expect(admin.ask("CONFIG", "SET", "acllog-max-len", "0"), "OK")
        refused(bob, NO_KEY, "GET", "b")
        expect(admin.call("ACL", "LOG"), [])
        expect(admin.ask("CONFIG", "SET", "acllog-max-len", "5"), "OK")
        refused(bob, NO_KEY, "GET", "z" * 100000)
        assert len(log_of(admin)[0][b"object"]) < 5000
        expect(admin.ask("ACL", "LOG", "RESET"), "OK")
        expect(admin.call("ACL", "LOG"), [])


def test_secrets_are_not_shown():
    with Stave().start() as s:
        admin, monitor, c = s.connect(), s.connect(), s.connect()
        expect(admin.ask("CONFIG", "SET", "slowlog-log-slower-than", "0"), "OK")
        expect(monitor.ask("MONITOR"), "OK")
        for line in ("ACL SETUSER bob >hush on", "CONFIG SET masterauth hush loglevel notice", "AUTH bob hush",
                     "HELLO 2 AUTH default hush SETNAME n", "MULTI", "AUTH default hush", "EXEC",
                     "MIGRATE 127.0.0.1 1 none 0 10 AUTH hush", "MIGRATE 127.0.0.1 1 none 0 10 AUTH2 hush hush",
                     "PING last"):
            c.ask(*line.split())
        seen = []
        while not seen or "last" not in seen[-1]:
            seen.append(str(monitor.reply()))
        slow = repr(admin.call("SLOWLOG", "GET", "-1"))
        assert "hush" not in slow + repr(seen), (slow, seen)
        assert '"hello" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "n"' in repr(seen).lower().replace("auth", "AUTH") \
            .replace("setname", "SETNAME"), seen
        assert "loglevel" in slow and "notice" in slow and slow.count("(redacted)") >= 10, slow


# ---- files --------------------------------------------------------------------------------------

def test_aclfile():
    with Stave() as s:
        s.stop()
        path = os.path.join(s.directory, "users.acl")
        with open(path, "w") as f:
            f.write("user bob on >x ~a +@all (~b -@all\n\n user joe off  \nuser default on nopass ~* &* +@all\n"
                    .replace("(~b -@all", "(~b +get)"))
        s.args["aclfile"] = path
        s.start()
        admin, bob = s.connect(), login(s, "bob")
        expect(admin.call("ACL", "USERS"), [b"bob", b"default", b"joe"])
        expect(admin.ask("ACL", "SETUSER", "amy", "on", "nopass", "+get", "(~c +@read)"), "OK")
        before = admin.call("ACL", "LIST")
        expect(admin.ask("ACL", "SAVE"), "OK")
        expect(os.listdir(s.directory).count("users.acl.tmp"), 0)
        expect(open(path).read().splitlines(), [x.decode() for x in before])
        expect(admin.ask("ACL", "LOAD"), "OK")
        expect(admin.call("ACL", "LIST"), before)
        assert has_ended(bob)
        expect(admin.ask("PING"), "PONG")
        with open(path, "w") as f:
            f.write("user bob on +nope +get nopass x y\nbad line\nuser a\nuser a\nuser b (~x\n# comment\n")
        expect(str(admin.ask("ACL", "LOAD")),
               "ERR {0}:1: Error in applying operation '+nope': Unknown command or category name in ACL. "
               "{0}:1: Syntax error. "
               "{0}:2 should start with user keyword followed by the username. "
               "WARNING: Duplicate user 'a' found on line 4. "
               "{0}:5: Unmatched parenthesis in selector definition."
               "{0}:6 should start with user keyword followed by the username. "
               "WARNING: ACL errors detected, no change to the previously active ACL rules was performed".format(path))
        expect(admin.call("ACL", "LIST"), before)
        os.unlink(path)
        expect(str(admin.ask("ACL", "LOAD")),
               "ERR Error loading ACLs, opening file '%s': No such file or directory" % path)
        expect(admin.ask("ACL", "SAVE"), "OK")
        s.stop()
        s.start()
        expect(s.connect().call("ACL", "LIST"), before)
        expect_error(s.connect().ask("CONFIG", "SET", "aclfile", "other"), "ERR CONFIG SET failed")
        s.args["aclfile"] = s.directory + "/no/such"
        s.stop()
        os.unlink(path)


def test_aclfile_refused_at_a_start():
    with Stave() as s:
        s.stop()
        path = os.path.join(s.directory, "users.acl")
        with open(path, "w") as f:
            f.write("user bob on +nope\n")
        common = ["--port", str(s.port), "--dir", s.directory + "/data2"]
        code, _, err = run_once("--aclfile", path, *common)
        assert code == 1 and "Aborting Redis startup because of ACL errors" in err and ":1: Error in applying" in err, err
        code, _, err = run_once("--aclfile", path, "--user", "bob", "on", *common)
        assert code == 1 and "at the same setting an ACL file path is invalid" in err, err
        code, _, err = run_once("--aclfile", path + ".none", *common)
        assert code == 1 and "No such file" in err, err


def test_without_an_aclfile():
    with Stave().start() as s:
        c = s.connect()
        for word in ("LOAD", "SAVE"):
            expect_error(c.ask("ACL", word), "ERR This Redis instance is not configured to use an ACL file.")
        expect(c.call("CONFIG", "GET", "user"), [])
        expect_error(c.ask("CONFIG", "SET", "user", "bob on"), "ERR Unknown option")


def test_lines_of_the_configuration():
    with Stave() as s:
        s.stop()
        conf = os.path.join(s.directory, "stave.conf")
        with open(conf, "w") as f:
            f.write("# mine\nuser bob on >x ~a +@all\nport 1\nuser joe on nopass (~b +get)\n"
                    "user default on >x ~* &* +@all\nrequirepass ignored\n")
        line = s.command_line
        s.command_line = lambda: [line()[0], conf] + line()[1:]
        s.start()
        admin = login(s, "default")
        bob = login(s, "bob")
        refused(bob, NO_KEY, "GET", "b")
        expect(admin.ask("ACL", "SETUSER", "amy", "~it's", '~"q"', "on", "nopass", '("~a)" +get)'), "OK")
        expect(admin.ask("ACL", "DELUSER", "joe"), 1)
        before = admin.call("ACL", "LIST")
        expect(admin.ask("CONFIG", "REWRITE"), "OK")
        text = open(conf).read()
        assert text.startswith("# mine\nuser amy on") and text.count("\nuser ") == 3, text
        s.stop()
        s.start()
        expect(login(s, "default").call("ACL", "LIST"), before)
        s.stop()
        for bad, words in (("user bob on ~x ~y z", "Error in user declaration 'z': Syntax error"),
                           ("user bob on\nuser bob on", "Duplicate user found"),
                           ("user bob (~a", "Unmatched parenthesis in acl selector starting at '(~a'"),
                           ("user bob +nope", "Unknown command or category name in ACL"),
                           ("user", "wrong number of arguments"),
                           ('user "b b" on', "Spaces not allowed in ACL usernames")):
            with open(conf, "w") as f:
                f.write(bad + "\n")
            code, _, err = run_once(conf, "--port", str(s.port), "--dir", s.directory + "/data2")
            assert code == 1 and words in err, (bad, err)


# ---- the rest -----------------------------------------------------------------------------------

def test_setuser_errors_change_nothing():
    with Stave().start() as s:
        c = s.connect()
        make(c, "bob", "+get", "~a")
        before = c.call("ACL", "LIST")
        for rules, words in ((["+set", "+nope"], "ERR Error in ACL SETUSER modifier '+nope': Unknown command or category "
                              "name in ACL"),
                             (["+set", "(+get", "~x"], "ERR Unmatched parenthesis in acl selector starting at '(+get'."),
                             (["<none"], "ERR Error in ACL SETUSER modifier '<none': The password you are trying to "
                              "remove from the user does not exist"),
                             (["~*", "~x"], "ERR Error in ACL SETUSER modifier '~x': Adding a pattern after the * "
                              "pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try "
                              "'resetkeys' to start with an empty list of patterns"),
                             (["(%R" + "~" * 3000, ")", "%RR~x"], "ERR Error in ACL SETUSER modifier '%RR~x': Syntax "
                              "error")):
            refused(c, words, "ACL", "SETUSER", "bob", *rules)
            expect(c.call("ACL", "LIST"), before)
        expect_error(c.ask("ACL", "SETUSER", "a b"), "ERR Usernames can't contain spaces or null characters")
        expect_error(c.ask("ACL", "SETUSER", "a\0b"), "ERR Usernames can't contain spaces or null characters")
        expect(c.ask("ACL", "SETUSER", "u" * 100000, "+get", "on", "nopass"), "OK")
        long = login(s, "u" * 100000)
        assert str(long.ask("SET", "a", "1")).startswith("NOPERM User uuuu")
        expect(c.ask("ACL", "GETUSER", "nobody"), None)


def test_many_rules_take_no_square():
    """Two hundred thousand of each kind, in seconds."""
    with Stave().start() as s:
        c = s.connect()
        for sign in ("~k%d", "&c%d", "+select|%d", ">p%d", "()"):
            rules = [sign % i if "%" in sign else sign for i in range(20000 if sign == "()" else 200000)]
            expect(c.ask("ACL", "SETUSER", "bob", "reset", *rules), "OK")
        expect(c.ask("ACL", "DELUSER", "bob"), 1)


def test_before_the_password():
    """Nothing large is read from who has not said who he is, users or none."""
    with Stave({"requirepass": "x"}).start() as s:
        c = raw(s.port)
        c.sendall(b"*11\r\n")
        assert c.recv(100).startswith(b"-ERR Protocol error: unauthenticated multibulk length")


def test_resp3():
    with Stave().start() as s:
        c = s.connect(3)
        make(c, "bob", "+get", "~a", "(+set ~b)")
        found = c.call("ACL", "GETUSER", "bob")
        expect(found[b"commands"], b"-@all +get")
        expect(set(found[b"flags"]), {b"on", b"sanitize-payload"})
        expect(found[b"selectors"], [{b"commands": b"-@all +set", b"keys": b"~b", b"channels": b""}])


def test_categories():
    with Stave().start() as s:
        c = s.connect()
        names = c.call("ACL", "CAT")
        expect(len(names), 21)
        for name in names:
            filtered = c.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", name)
            expect(sorted(c.call("ACL", "CAT", name)), sorted(filtered), name)
        expect_error(c.ask("ACL", "CAT", "nope"), "ERR Unknown category 'nope'")
        expect(len(c.call("ACL", "GENPASS")), 64)
        expect(len(c.call("ACL", "GENPASS", "5")), 2)
        expect_error(c.ask("ACL", "GENPASS", "4097"), "ERR ACL GENPASS argument must be the number of bits for the "
                     "output password, a positive number up to 4096")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
