"""fleet as people run it: fleetd, its workers, the origin deployed as an application. Access log and metrics are on, as
they always are."""

import os
import shutil
import subprocess
import tarfile

import processes as ps

TOML = """
[fleet]
state_dir = "{folder}/state"
run_dir = "{folder}/run"
ports = "{first}-{last}"
allow_root = {root}
[proxy]
workers = {workers}
http = ["127.0.0.1:{http}"]
https = ["127.0.0.1:{https}"]
[[tls]]
certificate = "{certificate}"
key = "{key}"
[app.origin]
{hosts}
command = ["./bench-origin", "--port", "{{port}}"]
[app.origin.health]
path = "/health"
healthy = 1
[app.origin.drain]
timeout = "1s"
stop_timeout = "1s"
"""


class Fleet:
    name = "fleet"
    remarks = "access log in JSON to a file, and metrics; time of fleetd and the worker's shim included"
    started = 0

    def __init__(self, bench, name="fleet", workers=1, hosts=()):
        self.bench, self.bin = bench, bench.fleet_bin
        self.http, self.https = ps.free_port(), ps.free_port()
        self.folder = bench.folder(name)
        self.socket = self.folder / "run" / "fleetd.sock"
        self.log = self.folder / "fleetd.out"
        self.workers = workers
        first = 10000 + (os.getpid() * 7 + Fleet.started * 10) % 20000
        Fleet.started += 1
        config = self.folder / "fleet.toml"
        listed = f"hosts = [{','.join(f'{chr(34)}{host}{chr(34)}' for host in hosts)}]" if hosts else ""
        config.write_text(TOML.format(
            folder=self.folder, first=first, last=first + 9, root="true" if os.getuid() == 0 else "false",
            workers=workers, http=self.http, https=self.https, certificate=bench.certificate, key=bench.key, hosts=listed))
        config.chmod(0o600)
        self.process = ps.start([self.bin / "fleetd", "--config", config], self.log)
        ps.eventually(self.answers, f"fleetd is up (its log: {self.log})")
        self.deploy()
        for worker in self.worker_pids():
            ps.pin(worker, {ps.PROXY_CORE})

    def ctl(self, *arguments, seconds=60):
        done = subprocess.run([self.bin / "fleetctl", "--socket", self.socket, *arguments], capture_output=True,
                              text=True, timeout=seconds, check=False)
        if done.returncode != 0:
            raise ps.Failed(f"fleetctl {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout

    def answers(self):
        if self.process.poll() is not None:
            raise ps.Failed(f"fleetd has ended: {self.log.read_text()[-2000:]}")
        return ps.answers(self.http) and self.socket.exists()

    def deploy(self):
        artifact = self.folder / "origin.tar.gz"
        with tarfile.open(artifact, "w:gz", compresslevel=1) as tar:
            tar.add(self.bench.tools / "bench-origin", "bench-origin")
        self.ctl("deploy", artifact)

    def worker_pids(self):
        found = [pid for pid in ps.descendants(self.process.pid) if ps.program(pid) == "fleet-proxy"]
        if len(found) < self.workers:
            raise ps.Failed(f"{len(found)} of {self.workers} workers run")
        return found

    def pids(self):
        parent = ps.parents()
        workers = self.worker_pids()
        return [self.process.pid, *workers, *(parent[pid] for pid in workers)]

    def forget_logs(self):
        for log in (self.folder / "state" / "log").rglob("*"):
            if log.is_file():
                os.truncate(log, 0)

    def stop(self):
        try:
            self.ctl("shutdown", "--apps", seconds=20)
        except (ps.Failed, subprocess.TimeoutExpired):
            pass  # what is left is killed at the end
        ps.stop(self.process)
        shutil.rmtree(self.folder / "state", ignore_errors=True)
