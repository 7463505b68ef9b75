"""scripts/bench after what it needs is there."""

import argparse
import pathlib
import signal
import sys
import textwrap
import time

import cases
import processes as ps
import report
import scene as stage
import tracing


def read_options():
    listed = "\n".join(f"  {case.name:<13}{case.title}\n{'':15}{case.judged}: "
                       f"{'at least' if case.more else 'at most'} {case.bound:g}" for case in cases.CASES)
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=textwrap.dedent("""\
            Measures fleet-proxy beside nginx and HAProxy: one worker of each on one core, the origin and the client on
            the others, in interleaved rounds. CPU time is that of the proxy's own processes (schedstat); ratios are
            taken round by round to the better of the two peers, their median is judged. Installs what is missing, builds
            the release programs, listens on loopback only and leaves nothing behind."""),
        epilog=f"cases, and what fleet is held to:\n{listed}\n\n"
               "FLEET_BIN_DIR=DIR measures the programs there instead of building them.")
    parser.add_argument("--quick", action="store_true", help="short rounds, two of each: all cases in under 2 minutes")
    parser.add_argument("--case", action="append", metavar="NAME", choices=[case.name for case in cases.CASES],
                        help="this one only; may be repeated")
    parser.add_argument("--proxies", default="fleet,nginx,haproxy", metavar="LIST", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, metavar="N", help="of each proxy and case; default 5, with --quick 2")
    parser.add_argument("--seconds", type=float, metavar="S", help="of a round; default 3, with --quick 1")
    parser.add_argument("--upgrades", type=int, metavar="N", help="default 50, with --quick 5")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="everything, every round, as JSON")
    parser.add_argument("--profile", action="store_true", help="perf of the workers under the cases' loads, instead")
    parser.add_argument("--syscalls", action="store_true", help="their system calls per request (strace), instead")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.upgrades = options.upgrades or (5 if options.quick else 50)
    options.proxies = options.proxies.split(",")
    for name in options.proxies:
        if name not in stage.KINDS:
            parser.error(f"no such proxy: {name} (there are {', '.join(stage.KINDS)})")
    return options


def wanted(options):
    return [case for case in cases.CASES if not options.case or case.name in options.case]


def measure(options, scene):
    about = report.machine()
    print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; {about['nginx']}; {about['haproxy']}; "
          f"fleet {about['commit']}")
    print(f"The proxy's worker is on core {ps.PROXY_CORE}, origin and client on "
          f"{', '.join(map(str, sorted(ps.OTHER_CORES)))}. {options.rounds} rounds of {options.seconds:g} s.")
    for name in options.proxies:
        print(f"  {name}: {stage.KINDS[name].remarks}")
    results = []
    for case in wanted(options):
        results.append((case, case.run(scene, options)))
        report.show(*results[-1])
    report.summary(results)
    if (share := report.noise(results)) > 0.05:
        print(f"\nOther processes had {share:.0%} of the machine meanwhile: times to answer are not to be trusted.")
    if options.json:
        shown = {name: str(value) if isinstance(value, pathlib.Path) else value for name, value in vars(options).items()}
        options.json.write_text(report.as_json(about, shown, results))


def trace(options, scene):
    for case in wanted(options):
        if case.load is None:
            continue
        if options.profile:
            tracing.profile(case, scene, max(options.seconds, 2))
        if options.syscalls:
            tracing.syscalls(case, scene, max(options.seconds, 5))  # so that connecting does not count


def main():
    options = read_options()
    scene = stage.Scene(options.proxies)
    began = time.monotonic()
    try:
        scene.begin()
        (trace if options.profile or options.syscalls else measure)(options, scene)
        print(f"\n{time.monotonic() - began:.0f} s")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # cleaning up is not interrupted
        scene.end()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except ps.Failed as failure:
        sys.exit(f"bench: {failure}")
