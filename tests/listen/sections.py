"""Whether neighbouring sections differ as the plan's energy says.

Of two neighbours with different energy, the one with more must be louder by at least 0.5 LU (mean short-term
loudness: BS.1770 over 3 s, every second, windows that lie in the section) or have at least 10 % more notes per
second (all tracks of the MIDI file). Neighbours of the same energy are not judged. "both" in the table counts those
where loudness and notes agree.
"""

import numpy

from finding import UNJUDGED, Finding, judged
from piece import k_weighted

ENERGY = {"low": 0, "medium": 1, "high": 2}
LOUDER_LU = 0.5
DENSER = 1.1
WINDOW_S = 3.0
STEP_S = 1.0


def short_term(sound, rate):
    """(seconds at which each window starts, its loudness in LUFS, at least -70)."""
    power = (k_weighted(sound, rate) ** 2).sum(axis=1)
    total = numpy.concatenate([[0.0], numpy.cumsum(power)])
    starts = numpy.arange(0, max(1, len(power) - int(WINDOW_S * rate) + 1), int(STEP_S * rate))
    ends = numpy.minimum(starts + int(WINDOW_S * rate), len(power))
    mean = (total[ends] - total[starts]) / (ends - starts)
    return starts / rate, -0.691 + 10 * numpy.log10(numpy.maximum(mean, 10 ** (-6.9309)))


def loudness_of(section, starts, levels):
    """Mean short-term loudness; a section too short for a window takes the one that covers most of it."""
    start, end = section["start_seconds"], section["start_seconds"] + section["length_seconds"]
    inside = (starts >= start) & (starts + WINDOW_S <= end)
    if not inside.any():
        inside = numpy.arange(len(starts)) == numpy.argmin(numpy.abs(starts + WINDOW_S / 2 - (start + end) / 2))
    return float(levels[inside].mean())


def notes_per_second(section, midi):
    start, length = section["start_seconds"], section["length_seconds"]
    return sum(start - 0.05 <= note.start < start + length - 0.05 for note in midi.all()) / length


def check(piece):
    starts, levels = short_term(piece.sound, piece.rate)
    sections = piece.plan["sections"]
    for before, after in zip(sections, sections[1:]):
        where = f"{before['id']} {before['label']} to {after['id']} {after['label']}"
        rise = ENERGY[after["energy"]] - ENERGY[before["energy"]]
        if rise == 0:
            yield Finding("contrast", UNJUDGED, f"both {before['energy']}", where=where)
            continue
        quiet, full = (before, after) if rise > 0 else (after, before)
        louder = loudness_of(full, starts, levels) - loudness_of(quiet, starts, levels)
        found, signs = f"{louder:+.1f} LU", [louder >= LOUDER_LU]
        if piece.midi is not None:
            thin, dense = notes_per_second(quiet, piece.midi), notes_per_second(full, piece.midi)
            found += f", {thin:.1f} to {dense:.1f} notes/s"
            signs.append(dense > 0 and dense >= DENSER * thin)
        direction = "fuller" if rise > 0 else "quieter"
        yield judged(
            "contrast",
            any(signs),
            f"{direction}: {before['energy']} to {after['energy']}",
            found,
            where,
            values={"both": all(signs), "louder_lu": louder},
        )
