"""What a run stands on: its folder, certificate and origin, the proxies it has started, and their end."""

import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

import processes as ps
from fleet import Fleet
from proxies import Haproxy, Nginx

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parent.parent / "build/release/bin"
KINDS = {"fleet": Fleet, "nginx": Nginx, "haproxy": Haproxy}

# wrk and h2load have no option for the cipher of TLS 1.3; their OpenSSL has.
OPENSSL_CONF = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""


class Scene:
    def __init__(self, names):
        self.names = names  # of the proxies that are compared
        self.here = HERE
        self.tools = BUILT
        self.fleet_bin = pathlib.Path(os.environ.get("FLEET_BIN_DIR", BUILT)).resolve()
        self.started = {}
        self.warm = set()  # names of those that have had load
        self.extra = []
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="fleet-bench-"))
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.open_files = hard
        self.openssl_conf = self.root / "openssl.cnf"
        self.openssl_conf.write_text(OPENSSL_CONF)
        self.certificate, self.key = self.root / "leaf.pem", self.root / "leaf.key"

    def begin(self):
        ps.adopt_orphans()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        self.origin_port = ps.free_port()
        self.origin = ps.start([self.tools / "bench-origin", "--port", self.origin_port], self.root / "origin.log")
        ps.eventually(lambda: ps.answers(self.origin_port), "the origin is up")

    def folder(self, name):
        return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=self.root))

    def proxies(self):
        """Those that are compared, started once."""
        for name in self.names:
            if name not in self.started:
                self.started[name] = KINDS[name](self)
        return [self.started[name] for name in self.names]

    def fresh(self, name, **more):
        """One more, for a case of its own; it ends by retire(), or with the scene."""
        self.extra.append(KINDS[name](self, **more))
        return self.extra[-1]

    def retire(self, proxy):
        self.extra.remove(proxy)
        proxy.stop()

    def end(self):
        try:
            for proxy in [*self.started.values(), *self.extra]:
                proxy.stop()
        finally:
            ps.end_all()
            shutil.rmtree(self.root, ignore_errors=True)
