"""Where a proxy's time goes: perf and strace on its worker while one load runs."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import processes as ps
import report

HEAD = 45  # lines of a profile


def under_load(once, scene, proxy, seconds):
    """Runs the load in a thread; returns the thread and where its outcome will be."""
    outcomes = []
    runner = threading.Thread(target=lambda: outcomes.append(once(scene, proxy, seconds)))
    runner.start()
    return runner, outcomes


def profile(case, scene, seconds):
    if not shutil.which("perf"):
        raise ps.Failed("--profile needs perf: apt-get install linux-perf")
    for proxy in scene.proxies():
        case.load(scene, proxy, 1)
        data = scene.root / "perf.data"
        runner, outcomes = under_load(case.load, scene, proxy, seconds)
        pids = ",".join(map(str, proxy.worker_pids()))
        quiet_run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-p", pids, "-o", data, "--", "sleep",
                   max(seconds - 0.5, 0.5)])
        runner.join()
        print(f"\n{report.bold(f'{case.name}, {proxy.name}')}: {outcomes[0].cpu():.2f} us per request, perf's included")
        for sort in ("dso", "dso,symbol"):
            listed = quiet_run(["perf", "report", "-i", data, "--stdio", "--sort", sort, "--percent-limit", "0.4"])
            lines = [line.rstrip(" -") for line in listed.splitlines() if line.strip() and not line.startswith("#")]
            print("\n".join(lines[:HEAD]) + "\n", flush=True)


def quiet_run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ps.Failed(f"{' '.join(map(str, command))}: {done.stderr[-500:]}")
    return done.stdout


def syscalls(case, scene, seconds):
    if not shutil.which("strace"):
        raise ps.Failed("--syscalls needs strace: apt-get install strace")
    counts = {}
    for proxy in scene.proxies():
        case.load(scene, proxy, 1)
        with counted(scene, proxy) as calls:
            outcome = case.load(scene, proxy, seconds)
        counts[proxy.name] = {name: count / max(outcome.requests, 1) for name, count in calls.items()}
    names = sorted({name for each in counts.values() for name in each},
                   key=lambda name: -max(each.get(name, 0) for each in counts.values()))
    print(f"\n{report.bold(case.name)}: system calls per request (the worker runs slowly meanwhile)")
    print(report.line("", list(counts)))
    for name in [name for name in names if max(each.get(name, 0) for each in counts.values()) >= 0.001]:
        print(report.line(name, [f"{each.get(name, 0):.3f}" for each in counts.values()]))
    print(report.line("all", [f"{sum(each.values()):.3f}" for each in counts.values()]), flush=True)


@contextlib.contextmanager
def counted(scene, proxy):
    """The calls of its workers meanwhile, by name; filled at the end."""
    calls = {}
    out = scene.root / "strace.out"
    attach = [word for pid in proxy.worker_pids() for word in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-c", "-f", "-o", out, *attach], stderr=subprocess.PIPE, process_group=0,
                              preexec_fn=lambda: os.sched_setaffinity(0, ps.OTHER_CORES))
    ps.eventually(lambda: all(traced(pid) for pid in proxy.worker_pids()), "strace is attached")
    yield calls
    time.sleep(0.1)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=10)
    for row in out.read_text().splitlines():
        # % time, seconds, usecs/call, calls, errors (may be missing), name
        if found := re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)", row):
            if found[2] != "total":
                calls[found[2]] = int(found[1])


def traced(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return "TracerPid:\t0\n" not in status.read()
