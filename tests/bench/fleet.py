"""fleet as people run it: fleetd, its workers, the origin deployed as an application. Access log and metrics are on, as
they always are."""

import concurrent.futures
import os
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
"""

APP = """
[app.{name}]
{hosts}
command = ["./bench-origin", "--port", "{{port}}"]
[app.{name}.health]
path = "/health"
healthy = 1
[app.{name}.drain]
timeout = "1s"
stop_timeout = "1s"
"""


class Fleet:
    name = "fleet"
    remarks = "access log (JSON, to a file) and metrics on; the time of fleetd and of the worker's shim counts too"
    started = 0

    def __init__(self, scene, workers=1, apps=None):
        """apps: name -> hosts; no hosts: all. Each is an origin of its own."""
        self.scene, self.workers, self.apps = scene, workers, apps or {"origin": []}
        self.http, self.https = ps.free_port(), ps.free_port()
        self.folder = scene.folder("fleet")
        self.socket = self.folder / "run" / "fleetd.sock"
        self.out = self.folder / "fleetd.out"
        self.config = self.folder / "fleet.toml"
        self.first_port = 10000 + (os.getpid() * 7 + Fleet.started) % 400 * 50
        Fleet.started += 1
        self.configure()
        self.process = ps.start([scene.fleet_bin / "fleetd", "--config", self.config], self.out)
        ps.eventually(self.up, f"fleetd is up (its output: {self.out})")
        self.deploy()
        for worker in self.worker_pids():
            ps.pin(worker, {ps.PROXY_CORE})

    def configure(self):
        toml = TOML.format(
            folder=self.folder, first=self.first_port, last=self.first_port + 49,
            root="true" if os.getuid() == 0 else "false", workers=self.workers,
            http=self.http, https=self.https,
            certificate=self.scene.certificate, key=self.scene.key)
        for name, hosts in self.apps.items():
            listed = ",\n".join(f'"{host}"' for host in hosts)
            toml += APP.format(name=name, hosts=f"hosts = [{listed}]" if hosts else "")
        self.config.write_text(toml)
        self.config.chmod(0o600)

    def ctl(self, *arguments, seconds=60):
        done = subprocess.run([self.scene.fleet_bin / "fleetctl", "--socket", self.socket, *arguments],
                              capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode != 0:
            raise ps.Failed(f"fleetctl {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")

    def up(self):
        if self.process.poll() is not None:
            raise ps.Failed(f"fleetd has ended: {self.out.read_text()[-2000:]}")
        return self.socket.exists() and ps.answers(self.http)

    def deploy(self):
        artifact = self.folder / "origin.tar.gz"
        with tarfile.open(artifact, "w:gz", compresslevel=1) as tar:
            tar.add(self.scene.tools / "bench-origin", "bench-origin")
        with concurrent.futures.ThreadPoolExecutor(4) as several:
            list(several.map(lambda app: self.ctl("deploy", artifact, "--app", app), self.apps))

    def running(self, program):
        return [pid for pid in ps.descendants(self.process.pid) if ps.program(pid) == program]

    def worker_pids(self):
        parent = ps.parents()
        all_of_them = self.running("fleet-proxy")
        found = [pid for pid in all_of_them if parent[pid] not in all_of_them]  # the others are their asset servers
        if len(found) < self.workers:
            raise ps.Failed(f"{len(found)} of {self.workers} workers run (fleetd's output: {self.out})")
        return found

    def origin_pids(self):
        return self.running("bench-origin")

    def pids(self):
        """All processes whose time counts as the proxy's."""
        parent = ps.parents()
        return [self.process.pid, *self.running("fleet-proxy"), *(parent[pid] for pid in self.worker_pids())]

    def forget_logs(self):
        for log in (self.folder / "state" / "log").rglob("*"):
            if log.is_file():
                os.truncate(log, 0)

    def upgrade(self):
        """New workers take over from the old ones; returns when they accept."""
        self.ctl("proxy", "upgrade")

    def stop(self):
        try:
            self.ctl("shutdown", "--apps", seconds=20)
        except (ps.Failed, subprocess.TimeoutExpired):
            pass  # what is left is killed with the scene
        ps.stop(self.process)
