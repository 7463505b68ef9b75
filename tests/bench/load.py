"""One run of a load tool, and what it says."""

import dataclasses
import json
import os
import subprocess

import processes as ps


@dataclasses.dataclass
class Outcome:
    """Of one round: what the client saw, and what the proxy spent."""
    requests: int
    seconds: float
    errors: int
    p50: float  # microseconds
    p99: float
    cpu: float = 0.0  # seconds


def environment(bench):
    # The cipher is the client's choice too: wrk and h2load have no option for it, OpenSSL's configuration has.
    return {**os.environ, "OPENSSL_CONF": str(bench.openssl_conf)}


def wrk(bench, url, seconds, connections=64, body=0):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(seconds, 1):.0f}s", "--latency",
               "-s", bench.here / "wrk.lua", url]
    done = run(bench, command, {"BENCH_BODY": str(body)}, seconds + 30)
    return Outcome(**json.loads(done.strip().splitlines()[-1]))


def run(bench, command, variables, seconds):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds,
                          env={**environment(bench), **variables}, check=False, process_group=0,
                          preexec_fn=lambda: os.sched_setaffinity(0, ps.OTHER_CORES))
    if done.returncode != 0:
        raise ps.Failed(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def measured(proxy, load):
    """The outcome of load(), with the time that the proxy spent meanwhile."""
    proxy.forget_logs()
    pids = proxy.pids()
    before = ps.cpu_seconds(pids)
    outcome = load()
    outcome.cpu = ps.cpu_seconds(pids) - before
    return outcome
