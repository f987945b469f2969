"""Clients from npm: ioredis, node-redis, and BullMQ, which runs queues on ioredis. Each is a program of node/,
and one test here. The packages come from the registry that npm is set to, at
the versions of node/package-lock.json, into build/clients/node; they stay there until that file changes.
Without node, or without the registry when they are not there yet, the tests are skipped."""

import fcntl
import os
import shutil
import subprocess

from tests.clients.common import Skip
from tests.support.servers import TOP

HERE = os.path.join(TOP, "tests", "clients", "node")
BUILD = os.path.join(TOP, "build", "clients", "node")
INSTALL_LIMIT = 120  # seconds: a registry that does not answer is one that is not there
FILES = ("package.json", "package-lock.json")


def read(*path):
    try:
        with open(os.path.join(*path), "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def install():
    """The packages' directory; made if it is not what the lock file says. The tests of both engines may
    come here at once."""
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = b"".join(read(HERE, name) for name in FILES)
        if read(BUILD, "installed") != wanted:
            for name in FILES:
                shutil.copy(os.path.join(HERE, name), BUILD)
            npm = subprocess.run(["npm", "ci", "--prefix", BUILD, "--prefer-offline", "--no-audit", "--no-fund",
                                  "--ignore-scripts", "--fetch-retries=1"],
                                 capture_output=True, text=True, timeout=INSTALL_LIMIT, cwd=BUILD)
            if npm.returncode != 0:
                raise Skip("npm could not install the clients: %s" % " ".join(npm.stderr.split())[:300])
            with open(os.path.join(BUILD, "installed"), "wb") as f:
                f.write(wanted)
    return os.path.join(BUILD, "node_modules")


def run(server, program, least):
    """Runs node/PROGRAM.js: each of its tests says "ok", or "skip" and why; at least so many are ok."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise Skip("%s is not installed" % tool)
    try:
        modules = install()
    except subprocess.TimeoutExpired:
        raise Skip("npm's registry did not answer within %d s" % INSTALL_LIMIT) from None
    out = subprocess.run(["node", os.path.join(HERE, program + ".js"), str(server.port)], capture_output=True,
                         text=True, timeout=300, env=dict(os.environ, NODE_PATH=modules))
    lines = out.stdout.splitlines()
    assert out.returncode == 0, out.stdout + out.stderr
    assert sum(line.startswith("ok ") for line in lines) >= least, out.stdout
    assert all(line.startswith(("ok ", "skip ")) for line in lines), out.stdout


def test_ioredis_types(server):
    run(server, "types", 14)


def test_ioredis(server):
    run(server, "ioredis", 9)


def test_node_redis(server):
    run(server, "redis", 10)


def test_bullmq(server):
    run(server, "bullmq", 9)
