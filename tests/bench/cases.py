"""What is measured: a table of cases, each with the bound that fleet is to keep."""

import dataclasses
import functools
import ssl
import socket
import statistics
import time
from typing import Callable, Optional

import load
import processes as ps
import rounds

# Columns of the report: heading, decimals.
LOAD = {"rate": ("requests/s", 0), "cpu": ("CPU us/req", 2), "p50": ("p50 us", 0), "p99": ("p99 us", 0),
        "errors": ("errors", 0), "proxy": ("proxy core", 2), "client": ("client core", 2)}
MEMORY = {"pss": ("PSS KiB/conn", 2), "rss": ("RSS KiB/conn", 2), "base": ("fresh PSS KiB", 0)}
AGAINST = {"cpu": ("CPU us/req", 2), "p99": ("p99 us", 0), "base": ("without", 2), "ratio": ("ratio", 3),
           "errors": ("errors", 0)}


@dataclasses.dataclass
class Found:
    """What came of a case."""
    columns: dict
    rows: dict
    ratios: dict = dataclasses.field(default_factory=dict)
    judged: Optional[float] = None  # what the bound is about
    notes: list = dataclasses.field(default_factory=list)
    outcomes: dict = dataclasses.field(default_factory=dict)  # every round, for the JSON


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    judged: str            # what the bound is about, in words
    bound: float
    run: Callable          # (scene, options) -> Found
    load: Optional[Callable] = None  # (scene, proxy, seconds) -> Outcome: the part that can be profiled
    more: bool = False     # whether the bound is the least, not the most

    def verdict(self, found):
        if found.judged is None:
            return "not judged"
        if found.rows.get("fleet", {}).get("errors"):
            return "missed"
        return "met" if (found.judged >= self.bound if self.more else found.judged <= self.bound) else "missed"


def under_load(once, scene, options):
    proxies = {proxy.name: proxy for proxy in scene.proxies() if once.offered(proxy)}
    for proxy in proxies.values():
        warm_up(once, scene, proxy, options)
    outcomes = rounds.interleave(proxies, options.rounds, lambda proxy: once(scene, proxy, options.seconds))
    rows, ratios = rounds.compared(outcomes)
    notes = [f"{name}: not offered" for name in scene.names if name not in proxies]
    return Found(LOAD, rows, ratios, ratios.get("cpu"), notes, outcomes)


def warm_up(once, scene, proxy, options):
    if not options.quick or proxy.name not in scene.warm:
        once(scene, proxy, 1)
    scene.warm.add(proxy.name)


class Requests:
    """Load of one kind on one proxy."""

    def __init__(self, scheme, path, tool=load.wrk, **options):
        self.scheme, self.path, self.tool, self.options = scheme, path, tool, options

    def url(self, proxy):
        return f"{self.scheme}://127.0.0.1:{proxy.https if self.scheme == 'https' else proxy.http}{self.path}"

    def offered(self, proxy):
        return self.tool is not load.h2load or speaks_h2(proxy)

    def __call__(self, scene, proxy, seconds):
        return self.tool(scene, proxy, self.url(proxy), seconds, **self.options)


def fresh_connections(scene, proxy, url, seconds):
    return load.own(scene, proxy, "new", url, seconds, connections=16)


def speaks_h2(proxy):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", proxy.https), 5) as plain, context.wrap_socket(plain) as tls:
            return tls.selected_alpn_protocol() == "h2"
    except OSError:
        return False


SMALL, TLS_SMALL = Requests("http", "/bytes/128"), Requests("https", "/bytes/128")


def open_loop(scene, options):
    """At half of what the slowest can, so that it is no question of saturation."""
    proxies = {proxy.name: proxy for proxy in scene.proxies()}
    most = {name: TLS_SMALL(scene, proxy, options.seconds).figures()["rate"] for name, proxy in proxies.items()}
    rate = min(most.values()) / 2
    # Many and short: what else disturbs the machine for a moment, a p99 does not forget.
    outcomes = rounds.interleave(proxies, options.rounds * (2 if options.quick else 4), lambda proxy: load.open_loop(
        scene, proxy, TLS_SMALL.url(proxy), 1, rate=rate, connections=64))
    rows, ratios = rounds.compared(outcomes)
    return Found(LOAD, rows, ratios, ratios.get("p99"), [f"{rate:.0f} requests/s are offered; as root: worker, origin and client at realtime priority"], outcomes)


def idle_memory(scene, options):
    connections, rows = 1000, {}
    for name in scene.names:
        proxy = scene.fresh(name)
        with load.idle(scene, TLS_SMALL.url(proxy), 8):
            pass
        before = ps.memory_kib(proxy.worker_pids())
        with load.idle(scene, TLS_SMALL.url(proxy), connections):
            ps.settle(lambda: ps.memory_kib(proxy.worker_pids()))
            after = ps.memory_kib(proxy.worker_pids())
        scene.retire(proxy)
        rows[name] = {"pss": (after[0] - before[0]) / connections, "rss": (after[1] - before[1]) / connections,
                      "base": before[0]}
    others = [row for name, row in rows.items() if name != "fleet"]
    ratios = {figure: rows["fleet"][figure] / min(row[figure] for row in others)
              for figure in MEMORY} if others and "fleet" in rows else {}
    return Found(MEMORY, rows, ratios, ratios.get("pss"), ["the kernel's socket buffers are not in these figures"])


def idle_and_busy(scene, options):
    idle = 5000
    rows, all_outcomes = {}, {}
    names = ["fleet"] if options.quick and "fleet" in scene.names else scene.names
    for proxy in (proxy for proxy in scene.proxies() if proxy.name in names):
        def busy(subject=proxy):
            return TLS_SMALL(scene, subject, options.seconds)
        warm_up(TLS_SMALL, scene, proxy, options)
        pairs = []
        for number in range(options.rounds):
            alone = busy() if number % 2 == 0 else None  # first and second in turn
            with load.idle(scene, TLS_SMALL.url(proxy), idle):
                beside = busy()
            pairs.append((alone or busy(), beside))
        all_outcomes |= {proxy.name + " alone": [pair[0] for pair in pairs], proxy.name: [pair[1] for pair in pairs]}
        rows[proxy.name] = against(pairs)
    return Found(AGAINST, rows, {}, rows.get("fleet", {}).get("ratio"), [], all_outcomes)


def against(pairs):
    """(without, with) of each round, as one row."""
    with_it = load.medians([pair[1] for pair in pairs])
    return {"cpu": with_it["cpu"], "p99": with_it["p99"], "errors": with_it["errors"],
            "base": statistics.median(pair[0].cpu() for pair in pairs),
            "ratio": statistics.median(pair[1].cpu() / pair[0].cpu() for pair in pairs)}


def many_hosts(scene, options):
    if "fleet" not in scene.names:
        return Found(AGAINST, {}, notes=["of fleet only"])
    # As many apps in both, so that nothing else differs.
    apps, counts = 10, (10, 10000)
    fleets = {count: scene.fresh("fleet", apps={
        f"origin{app}": [f"h{i:05}.test" for i in range(app, count, apps)] for app in range(apps)}) for count in counts}

    def once(count):
        return load.own(scene, fleets[count], "closed", SMALL.url(fleets[count]), options.seconds, hosts=count)
    for count in counts:
        once(count)
    outcomes = rounds.interleave({count: count for count in counts}, options.rounds + 1, once)
    for fleet in fleets.values():
        scene.retire(fleet)
    row = against(list(zip(outcomes[10], outcomes[10000])))
    return Found(AGAINST, {"fleet": row}, {}, row["ratio"], [f"{apps} apps, of 1 host each or of 1,000; requests are for all hosts, at random"],
                 {str(count): done for count, done in outcomes.items()})


WORKERS = {"rate": ("requests/s", 0), "cpu": ("CPU us/req", 2), "busier": ("busier's share", 2),
           "errors": ("errors", 0)}


def two_workers(scene, options):
    if "fleet" not in scene.names:
        return Found(WORKERS, {}, notes=["of fleet only"])
    roomy = len(ps.CORES) >= 4
    fleets = {count: scene.fresh("fleet", workers=count) for count in (1, 2)}
    cores = ps.CORES[-2:]
    for number, pid in enumerate(fleets[2].worker_pids()):
        ps.pin(pid, {cores[number % 2]})
    shares = []

    def once(count):
        fleet = fleets[count]
        before = {pid: ps.cpu_seconds([pid]) for pid in fleet.worker_pids()}
        outcome = load.wrk(scene, fleet, TLS_SMALL.url(fleet), options.seconds,
                           cores=set(ps.CORES) - set(cores) if roomy else set(ps.CORES))
        spent = [ps.cpu_seconds([pid]) - before[pid] for pid in before]
        if count == 2:
            shares.append(max(spent) / sum(spent))
        return outcome
    outcomes = rounds.interleave({1: 1, 2: 2}, options.rounds, once)
    for fleet in fleets.values():
        scene.retire(fleet)
    rows = {f"{count} worker{'s' * (count > 1)}": load.medians(done) for count, done in outcomes.items()}
    rows["2 workers"]["busier"] = statistics.median(shares)
    gain = statistics.median(two.figures()["rate"] / one.figures()["rate"] for one, two in zip(outcomes[1], outcomes[2]))
    cost = statistics.median(two.cpu() / one.cpu() for one, two in zip(outcomes[1], outcomes[2]))
    notes = [f"throughput of 2 workers: {gain:.2f} of that of 1"]
    if not roomy:
        notes = [f"not judged: with {len(ps.CORES)} cores the workers share theirs with client and origin (4 are needed)",
                 f"what can be told: a request costs {cost:.2f} of what it costs with 1 worker; were the cores free, "
                 f"that and the shares would allow {1 / (cost * rows['2 workers']['busier']):.2f} times the throughput"]
    return Found(WORKERS, rows, {"rate": gain, "cpu": cost}, gain if roomy else None, notes,
                 {str(count): done for count, done in outcomes.items()})


UPGRADES = {"upgrades": ("upgrades", 0), "requests": ("requests", 0), "errors": ("lost", 0), "p99": ("p99 us", 0)}


def upgrades(scene, options):
    """Clients that reuse a kept connection without looking at it, while workers are replaced (D14)."""
    pause, rows = 0.4, {}  # seconds after each
    for name in scene.names:
        proxy = scene.fresh(name)

        def upgrade_all(subject=proxy):
            for _ in range(options.upgrades):
                subject.upgrade()
                time.sleep(pause)
        outcome = load.own_during(scene, TLS_SMALL.url(proxy), upgrade_all, rate=1000, connections=100)
        scene.retire(proxy)
        rows[name] = {"upgrades": options.upgrades, "requests": outcome.requests, "errors": outcome.errors,
                      "p99": outcome.p99}
    lost = rows.get("fleet", {}).get("errors")
    return Found(UPGRADES, rows, {}, lost, ["1,000 requests/s over 100 HTTPS connections that are never checked"])


def of(name, title, bound, once):
    return Case(name, title, "CPU per request", bound, functools.partial(under_load, once), once)


CASES = [
    of("h1-128", "HTTP/1.1 plain, keep-alive, 64 connections, 128 B", 0.80, SMALL),
    of("https-128", "HTTPS, keep-alive, 64 connections, 128 B", 0.75, TLS_SMALL),
    of("https-16k", "HTTPS, keep-alive, 64 connections, 16 KiB", 0.80, Requests("https", "/bytes/16384")),
    of("https-new", "HTTPS, a new connection (full handshake) per request", 0.90,
       Requests("https", "/bytes/128", fresh_connections)),
    of("h2", "HTTP/2 over TLS, 16 connections of 16 streams, 128 B", 0.90,
       Requests("https", "/bytes/128", load.h2load)),
    of("https-1m", "HTTPS, 1 MiB answers", 0.85, Requests("https", "/bytes/1048576", connections=16)),
    of("upload-1m", "HTTPS, 1 MiB uploads", 0.85, Requests("https", "/upload", connections=16, body=1 << 20)),
    Case("idle-memory", "memory of an idle HTTPS connection: 1,000 on a fresh process", "PSS", 1.0, idle_memory),
    Case("p99", "HTTPS 128 B, open loop at half of the slowest's maximum", "p99", 1.0, open_loop),
    Case("idle-5000", "HTTPS 128 B, 64 busy connections beside 5,000 idle ones", "CPU per request against no idle ones",
         1.10, idle_and_busy),
    Case("workers", "HTTPS 128 B, 2 workers against 1", "throughput", 1.6, two_workers, more=True),
    Case("hosts", "HTTP/1.1 plain 128 B, 10,000 hosts in the table", "CPU per request against few hosts", 1.05,
         many_hosts),
    Case("upgrades", "worker upgrades under naive keep-alive clients", "requests lost", 0, upgrades),
]
