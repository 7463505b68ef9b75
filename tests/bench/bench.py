"""scripts/bench: see its --help."""

import argparse
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import processes as ps
import load
from fleet import Fleet
from proxies import Haproxy, Nginx

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KINDS = {"fleet": Fleet, "nginx": Nginx, "haproxy": Haproxy}

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


class Bench:
    def __init__(self):
        self.here = HERE
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="fleet-bench-"))
        self.root.chmod(0o755)
        self.tools = ROOT / "build/release/bin"
        self.fleet_bin = pathlib.Path(os.environ.get("FLEET_BIN_DIR", self.tools)).resolve()
        self.openssl_conf = self.root / "openssl.cnf"
        self.openssl_conf.write_text(OPENSSL_CONF)
        self.certificate, self.key = self.root / "leaf.pem", self.root / "leaf.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        self.origin_port = ps.free_port()
        self.origin = ps.start([self.tools / "bench-origin", "--port", self.origin_port], self.root / "origin.log")
        ps.eventually(lambda: ps.answers(self.origin_port), "the origin is up")
        self.proxies = []

    def folder(self, name):
        return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=self.root))

    def up(self, kind, **more):
        proxy = KINDS[kind](self, kind, **more)
        self.proxies.append(proxy)
        return proxy

    def end(self):
        for proxy in self.proxies:
            try:
                proxy.stop()
            except Exception:
                pass
        ps.end_all()
        shutil.rmtree(self.root, ignore_errors=True)


CASES = {
    "h1-128": lambda bench, p, s: load.wrk(bench, f"http://127.0.0.1:{p.http}/bytes/128", s),
    "https-128": lambda bench, p, s: load.wrk(bench, f"https://127.0.0.1:{p.https}/bytes/128", s),
    "https-16k": lambda bench, p, s: load.wrk(bench, f"https://127.0.0.1:{p.https}/bytes/16384", s),
    "https-1m": lambda bench, p, s: load.wrk(bench, f"https://127.0.0.1:{p.https}/bytes/1048576", s),
    "upload-1m": lambda bench, p, s: load.wrk(bench, f"https://127.0.0.1:{p.https}/upload", s, body=1 << 20),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append")
    parser.add_argument("--proxies", default="fleet,nginx,haproxy")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ps.adopt_orphans()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ps.OPEN_FILES = hard
    bench = Bench()
    try:
        names = options.proxies.split(",")
        proxies = [bench.up(name) for name in names]
        for case in options.case or CASES:
            rounds = {name: [] for name in names}
            for p in proxies:
                CASES[case](bench, p, 1)
            for n in range(options.rounds):
                order = proxies[n % len(proxies):] + proxies[:n % len(proxies)]
                for p in order:
                    rounds[p.name].append(load.measured(p, lambda: CASES[case](bench, p, options.seconds)))
            costs = {}
            for name in names:
                done = rounds[name]
                each = [o.cpu / o.requests * 1e6 for o in done]
                costs[name] = each
                print(f"{case:10} {name:8} {statistics.median(o.requests / o.seconds for o in done):9.0f}/s "
                      f"{statistics.median(each):7.2f} us/request ({min(each):.2f}..{max(each):.2f}) "
                      f"core {statistics.median(o.cpu / o.seconds for o in done):4.2f} "
                      f"p50 {statistics.median(o.p50 for o in done):7.0f} p99 {statistics.median(o.p99 for o in done):7.0f} "
                      f"errors {sum(o.errors for o in done)}")
            peers = [n for n in names if n != "fleet"]
            if "fleet" in names and peers:
                ratios = [costs["fleet"][i] / min(costs[p][i] for p in peers) for i in range(options.rounds)]
                print(f"{case:10} ratio    {statistics.median(ratios):.3f}")
    finally:
        bench.end()


try:
    main()
except KeyboardInterrupt:
    sys.exit(130)
except ps.Failed as failure:
    sys.exit(f"bench: {failure}")
