"""What was found, for people and for programs."""

from collections.abc import Iterator

from measurements import OURS, Row

Found = dict[str, dict[str, list[float] | str]]  # row, peer: a figure of each round, or why there is none


def line(row: Row, measured: list[float], ours: float | None) -> str:
    """The best round, how far the worst one is from it, and the best one against Timbre's."""
    best, worst = min(measured), max(measured)
    against = f"{best / ours:8.2f}" if ours else f"{'-':>8}"
    return f"{row.shown(best):10.2f} {row.unit:17} {100 * (worst / best - 1):6.0f} % {against}"


def table(rows: dict[str, Row], found: Found, default: str) -> Iterator[str]:
    yield f"{'':40}{'best':>10} {'':17} {'spread':>8} {'to Timbre':>9}"
    for name, row in rows.items():
        if name not in found:
            continue
        yield ""
        yield row.title
        ours = found[name].get(OURS)
        ours = min(ours) if isinstance(ours, list) else None
        for who, measured in found[name].items():
            label = f"{who} {default} (its default)" if who == OURS else who
            what = measured if isinstance(measured, str) else line(row, measured, ours)
            yield f"  {label:38}{'not measured: ' if isinstance(measured, str) else ''}{what}"
    yield ""
    yield "best: of all rounds. spread: how much worse the worst round was. to Timbre: what a peer takes, of time or"
    yield "memory, against Timbre in its default dtype; above 1 Timbre takes less."
