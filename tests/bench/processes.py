"""Processes of the bench: started, pinned to cores, measured, and ended by id."""

import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = CORES[-1]  # interrupts and daemons tend to sit on the first
OTHER_CORES = set(CORES[:-1]) or {PROXY_CORE}
TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """What went wrong, for people."""


def adopt_orphans():
    """What outlives its parent becomes our child, so that nothing is ever lost sight of."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(command, log, cores=frozenset(OTHER_CORES)):
    """Starts a program in a process group of its own, so that Ctrl-C reaches us first and we end it in order."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0,
            preexec_fn=lambda: os.sched_setaffinity(0, cores))


def eventually(condition, what, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise Failed(f"{what}: not within {seconds:.0f} s")


def settle(measure, seconds=8.0):
    """Until it has said the same for two seconds: what a burst needed is given back by then, by those who do."""
    end = time.monotonic() + seconds
    last, since = measure(), time.monotonic()
    while time.monotonic() < min(end, since + 2.0):
        time.sleep(0.25)
        last, before = measure(), last
        if last != before:
            since = time.monotonic()


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def stop(process, seconds=5.0):
    """SIGTERM, then SIGKILL."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def pin(pid, cores):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cores)


def prompt(pid, on):
    """It runs as soon as it can, before everything of the usual kind; as before where we have no right to say so."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO if on else os.SCHED_OTHER, os.sched_param(1 if on else 0))
    except PermissionError:
        pass


def parents():
    """pid -> parent's pid, of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            found[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    return found


def descendants(pid):
    of = parents()
    found, level = [], [pid]
    while level:
        level = [child for child, parent in of.items() if parent in level]
        found += level
    return found


def program(pid):
    """The name of what it runs, without its folder."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
    except OSError:
        return ""


def end_all():
    """Kills whatever of ours still runs."""
    for _ in range(50):
        left = descendants(os.getpid())
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                pass
        if not left:
            return
        time.sleep(0.02)


def cpu_seconds(pids):
    """On a core so far, by all threads of these processes."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
            except FileNotFoundError:
                pass
    return total / 1e9


def machine_seconds():
    """That all cores together were busy so far, whoever it was for."""
    line = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, soft, steal = map(int, line[1:9])
    return (user + nice + system + irq + soft + steal) / TICK


def memory_kib(pids):
    """(PSS, RSS) of these processes."""
    pss = rss = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss += int(re.search(r"^Pss: +(\d+)", text, re.M)[1])
        rss += int(re.search(r"^Rss: +(\d+)", text, re.M)[1])
    return pss, rss
