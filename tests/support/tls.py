"""TLS for tests: certificates made by the openssl command, a server's options with them, and
contexts for clients."""

import os
import ssl
import subprocess


class Certificates:
    """In a directory: ca, and server, client and other, all of which it has signed; stranger is signed by
    nobody. NAME.crt and NAME.key; locked.key is the server's key with the password `secret`."""

    def __init__(self, directory):
        self.directory = directory
        self.make_ca("ca")
        self.make_ca("stranger")
        for name in ("server", "client", "other"):
            self.sign(name)
        self.openssl("ec", "-in", self.path("server.key"), "-aes128", "-passout", "pass:secret",
                     "-out", self.path("locked.key"))

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *args):
        subprocess.run(["openssl"] + list(args), check=True, capture_output=True, timeout=60)

    def make_ca(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-days", "30", "-subj", "/CN=" + name, "-keyout", self.path(name + ".key"),
                     "-out", self.path(name + ".crt"))

    def sign(self, name):
        """A new key and certificate of that name."""
        request = self.path(name + ".csr")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-subj", "/CN=" + name, "-keyout", self.path(name + ".key"), "-out", request)
        self.openssl("x509", "-req", "-days", "30", "-in", request, "-CA", self.path("ca.crt"),
                     "-CAkey", self.path("ca.key"), "-CAcreateserial", "-out", self.path(name + ".crt"))

    def options(self, port, **more):
        """Of a server that listens there; names in `more` have _ for -."""
        found = {"tls-port": port, "tls-cert-file": self.path("server.crt"),
                 "tls-key-file": self.path("server.key"), "tls-ca-cert-file": self.path("ca.crt")}
        found.update({name.replace("_", "-"): value for name, value in more.items()})
        return found

    def context(self, name="client"):
        """A client's context: it trusts the CA, and shows that certificate unless it is None."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path("ca.crt"))
        if name:
            context.load_cert_chain(self.path(name + ".crt"), self.path(name + ".key"))
        return context

    def cli(self, name="client"):
        """The same for redis-cli and redis-benchmark."""
        words = ["--tls", "--cacert", self.path("ca.crt")]
        if name:
            words += ["--cert", self.path(name + ".crt"), "--key", self.path(name + ".key")]
        return words


def is_built(program):
    """Does this server have TLS? One that has none (make TLS=no) says so when it is asked for it."""
    p = subprocess.run([program, "--tls-port", "1", "--port", "0"], capture_output=True, text=True, timeout=60)
    assert p.returncode == 1, p.stdout + p.stderr
    return "This build has no TLS" not in p.stdout
