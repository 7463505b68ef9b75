"""What was found, for people and for programs."""

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import sys

import processes as ps

NAME, CELL = 15, 15  # widths


def paint(colour, text):
    return f"\x1b[{colour}m{text}\x1b[0m" if sys.stdout.isatty() else text


def bold(text):
    return paint("1", text)


def dim(text):
    return paint("2", text)


VERDICTS = {"met": "32", "missed": "31", "not judged": "33"}


def line(name, cells):
    return f"  {name:<{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells)


def cell(row, figure, decimals):
    return f"{row[figure]:.{decimals}f}" if figure in row else "-"


def show(case, found):
    print(f"\n{bold(case.name)}  {case.title}")
    print(dim(line("", [heading for heading, _ in found.columns.values()])))
    for name, row in found.rows.items():
        print(line(name, [cell(row, figure, decimals) for figure, (_, decimals) in found.columns.items()]))
    if found.ratios:
        print(bold(line("ratio", [cell(found.ratios, figure, 3) for figure in found.columns])))
    for note in found.notes:
        print(dim(f"  {note}"))
    print(f"  {verdict(case, found)}", flush=True)


def verdict(case, found):
    said = case.verdict(found)
    limit = f"{case.judged} {'at least' if case.more else 'at most'} {case.bound:g}"
    value = "" if found.judged is None else f"{found.judged:.3g} ({limit}): "
    return (value or f"{limit}: ") + paint(VERDICTS[said], said)


def summary(results):
    print(f"\n{bold('Summary')}")
    for case, found in results:
        value = "-" if found.judged is None else f"{found.judged:.3f}"
        said = case.verdict(found)
        print(f"  {case.name:<{NAME}}{value:>8}  {'>=' if case.more else '<='} {case.bound:<6g}"
              f"{paint(VERDICTS[said], said):<10}  {dim(case.judged)}")


def noise(results):
    """The share of the machine that went to processes that are none of ours."""
    outcomes = [one for _, found in results for done in found.outcomes.values() for one in done]
    wall = sum(one.seconds for one in outcomes) * len(ps.CORES)
    return sum(one.others for one in outcomes) / wall if wall else 0.0


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).split("\n", 1)[0].strip()


def machine():
    model = next((text.split(":", 1)[1].strip() for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if text.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": len(ps.CORES), "kernel": platform.release(), "load": os.getloadavg()[0],
            "proxy_core": ps.PROXY_CORE, "nginx": first_line("nginx", "-v"), "haproxy": first_line("haproxy", "-v"),
            "openssl": first_line("openssl", "version"),
            "commit": first_line("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty")}


def as_json(about, options, results):
    cases = {}
    for case, found in results:
        cases[case.name] = {
            "title": case.title, "judged": case.judged, "value": found.judged, "bound": case.bound,
            "at_least": case.more, "verdict": case.verdict(found), "rows": found.rows, "ratios": found.ratios,
            "notes": found.notes,
            "rounds": {name: [dataclasses.asdict(one) for one in done] for name, done in found.outcomes.items()}}
    return json.dumps({"machine": about, "options": options, "others": noise(results), "cases": cases}, indent=1)
