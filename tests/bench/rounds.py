"""Rounds of several contestants, interleaved, and how they compare."""

import statistics

import load


def interleave(contestants, rounds, once):
    """name -> outcomes, of {name: contestant}. Each round runs every one, and begins with another than the last."""
    names = list(contestants)
    outcomes = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            outcomes[name].append(once(contestants[name]))
    return outcomes


def ratio(outcomes, figure, mine="fleet"):
    """Of `mine` to the better of the others, round by round: the median. Less is better."""
    others = [name for name in outcomes if name != mine]
    if mine not in outcomes or not others:
        return None
    each = []
    for number, outcome in enumerate(outcomes[mine]):
        best = min(outcomes[name][number].figures()[figure] for name in others)
        each.append(outcome.figures()[figure] / best if best else 0.0)
    return statistics.median(each)


def compared(outcomes):
    """Rows of medians, and one of ratios to the better peer."""
    rows = {name: load.medians(done) for name, done in outcomes.items()}
    ratios = {figure: ratio(outcomes, figure) for figure in ("cpu", "p50", "p99")}
    others = [rows[name]["rate"] for name in rows if name != "fleet"]
    if "fleet" in rows and others:
        ratios["rate"] = rows["fleet"]["rate"] / max(others)
    return rows, {figure: value for figure, value in ratios.items() if value is not None}
