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
    """Of `mine` to the better of the others: the median of the rounds. Less is better."""
    each = {name: [outcome.figures()[figure] for outcome in done] for name, done in outcomes.items()}
    own = each.pop(mine, None)
    if not own or not each:
        return None
    best = min(each.values(), key=statistics.median)
    return statistics.median(mine / theirs for mine, theirs in zip(own, best) if theirs)


def compared(outcomes):
    """Rows of medians, and one of ratios to the better peer."""
    rows = {name: load.medians(done) for name, done in outcomes.items()}
    ratios = {figure: ratio(outcomes, figure) for figure in ("cpu", "p50", "p99")}
    others = [rows[name]["rate"] for name in rows if name != "fleet"]
    if "fleet" in rows and others:
        ratios["rate"] = rows["fleet"]["rate"] / max(others)
    return rows, {figure: value for figure, value in ratios.items() if value is not None}
