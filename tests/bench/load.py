"""Runs of the load tools, and what they and the kernel say of them."""

import contextlib
import dataclasses
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile

import processes as ps


@dataclasses.dataclass
class Outcome:
    """Of one round: what the client saw, and what it cost."""
    requests: int
    seconds: float
    errors: int
    p50: float  # microseconds
    p99: float
    proxy: float = 0.0   # seconds on a core
    client: float = 0.0  # of the load tool and the origin
    others: float = 0.0  # of everything else on the machine

    def cpu(self):
        """Microseconds of the proxy's processes per request."""
        return self.proxy / max(self.requests, 1) * 1e6

    def figures(self):
        return {"rate": self.requests / self.seconds, "cpu": self.cpu(), "p50": self.p50, "p99": self.p99,
                "errors": self.errors, "proxy": self.proxy / self.seconds, "client": self.client / self.seconds}


def pinned(scene, command, cores=None, **more):
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            process_group=0, preexec_fn=lambda: os.sched_setaffinity(0, cores or ps.OTHER_CORES),
                            env={**os.environ, "OPENSSL_CONF": str(scene.openssl_conf), **more.pop("env", {})}, **more)


def finish(process, seconds, text=None):
    try:
        out, complaint = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ps.Failed(f"{process.args[0]} does not end") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise ps.Failed(f"{' '.join(process.args)}: {out[-500:]}{complaint[-500:]}")
    return out


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def accounted(proxy, running=()):
    """What runs inside has its costs written into the outcome that it puts into the list. `running`: load tools that
    run already, and end inside."""
    proxy.forget_logs()
    outcomes = []
    pids, origins = proxy.pids(), proxy.origin_pids()
    machine, own = ps.machine_seconds(), os.times()
    client = children_seconds() + ps.cpu_seconds([*origins, *running])
    before = ps.cpu_seconds(pids)
    yield outcomes
    spent = ps.cpu_seconds(pids) - before
    client = children_seconds() + ps.cpu_seconds(origins) - client
    own = sum(os.times()[:2]) - sum(own[:2])
    for outcome in outcomes:
        outcome.proxy, outcome.client = spent, client
        outcome.others = max(0.0, ps.machine_seconds() - machine - spent - client - own)


def wrk(scene, proxy, url, seconds, connections=64, body=0, cores=None):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(seconds, 1):.0f}s", "-s", scene.here / "wrk.lua", url]
    with accounted(proxy) as outcomes:
        out = finish(pinned(scene, command, cores, env={"BENCH_BODY": str(body)}), seconds + 60)
        outcomes.append(Outcome(**json.loads(out.strip().splitlines()[-1])))
    return outcomes[0]


def own(scene, proxy, mode, url, seconds, **options):
    """bench-load. What opening its connections costs is not counted."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [scene.tools / "bench-load", mode, url, "--seconds", seconds, *words]
    process = pinned(scene, command, stdin=subprocess.PIPE)
    wait_ready(process)
    if mode == "open":
        ps.prompt(process.pid, True)
    with accounted(proxy, [process.pid]) as outcomes:
        outcomes.append(Outcome(**json.loads(finish(process, seconds + 60, "go\n"))))
    return outcomes[0]


def open_loop(scene, proxy, url, seconds, **options):
    """So that it is not their wait for a core that is measured, nobody else's processes come before these meanwhile."""
    involved = proxy.origin_pids() + proxy.worker_pids()
    for pid in involved:
        ps.prompt(pid, True)
    try:
        return own(scene, proxy, "open", url, seconds, **options)
    finally:
        for pid in involved:
            ps.prompt(pid, False)


def own_during(scene, url, work, **options):
    """bench-load in open mode for as long as work() takes; its costs are not accounted for."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = pinned(scene, [scene.tools / "bench-load", "open", url, "--seconds", 3600, *words], stdin=subprocess.PIPE)
    wait_ready(process)
    process.stdin.write("go\n")
    process.stdin.flush()
    try:
        work()
        process.terminate()
        return Outcome(**json.loads(finish(process, 10)))
    finally:
        process.kill()


def wait_ready(process):
    if process.stdout.readline() != "ready\n":
        finish(process, 5)
        raise ps.Failed(f"{' '.join(process.args)} is not ready")


@contextlib.contextmanager
def idle(scene, url, connections):
    """So many connections that have had one request each. That they are all still there at the end is checked."""
    process = pinned(scene, [scene.tools / "bench-load", "idle", url, "--connections", connections],
                     stdin=subprocess.PIPE)
    wait_ready(process)
    try:
        yield
    except BaseException:
        process.kill()
        process.communicate()
        raise
    left = json.loads(finish(process, 30))["open"]
    if left != connections:
        raise ps.Failed(f"of {connections} idle connections {connections - left} were closed")


def h2load(scene, proxy, url, seconds, connections=16, streams=16):
    with tempfile.NamedTemporaryFile("r", dir=scene.root) as log:
        command = ["h2load", f"-c{connections}", f"-m{streams}", f"-D{max(seconds, 1):.0f}", "--npn-list=h2",
                   f"--log-file={log.name}", url]
        with accounted(proxy) as outcomes:
            out = finish(pinned(scene, command), seconds + 60)
            rows = [line.split("\t") for line in log]
            took = sorted(int(row[2]) for row in rows if row[1].startswith("2"))
            outcomes.append(Outcome(len(took), max(seconds, 1), h2load_failed(out), at(took, 0.5), at(took, 0.99)))
    return outcomes[0]


def h2load_failed(out):
    """"requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, ...": whatever they failed of."""
    found = re.search(r"^requests: .* (\d+) failed", out, re.M)
    return int(found[1]) if found else 1


def at(ordered, share):
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0


def medians(outcomes):
    all_figures = [outcome.figures() for outcome in outcomes]
    merged = {name: statistics.median(figures[name] for figures in all_figures) for name in all_figures[0]}
    return {**merged, "errors": sum(outcome.errors for outcome in outcomes)}
