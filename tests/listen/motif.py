"""Whether the plan's motif comes back in choruses and in the ending.

A melody is read as notes at beats, its pitches as degrees of the section's key (a note between two degrees is half
way). The motif has notes at beats b and degrees d. It is laid on every note of the melody, at its own speed and at
double and half speed, with a melody note matching a motif note when it starts within a sixth of a beat of it (a
swung off-beat is still that note). With m of n motif notes matched and k melody notes in the time that the motif
takes:

    rhythm   = 2 m / (n + k)
    interval = mean over the n - 1 steps of the motif of: 1 where both its notes are matched and the melody moves by as many
               degrees, 1/2 where it moves by one degree more or less (a tone bent to the chord), else 0
    likeness = (rhythm + 2 interval) / 3, the largest over all places, speeds and melody tracks of the section

Transposing does not matter, inverting does. The motif has come back where the likeness is at least THRESHOLD. How
often a foreign motif reaches that is measured in every run: the motifs that the same prompt has with other seeds,
held against the same melodies.
"""

import numpy

import key
import notes
from finding import UNJUDGED, UNMEASURED, Finding, judged

THRESHOLD = 0.8
NEAR_BEATS = 1 / 6
SPEEDS = [1.0, 0.5, 2.0]
JUDGED = {"chorus": "chorus", "resolution": "ending", "outro": "ending"}


def degree(pitch, home):
    """Degrees above the tonic of octave 0: a tone of the scale is whole, one between two is half way between them."""
    tonic, mode = home
    octave, step = divmod(pitch - tonic, 12)
    steps = key.MODES[mode]
    if step in steps:
        return 7.0 * octave + steps.index(step)
    return 7.0 * octave + sum(1 for other in steps if other < step) - 0.5


def melody(line, home, beats_of):
    """(beats, degrees) of a line of notes."""
    line = notes.top_line(line)
    return numpy.array([beats_of(note) for note in line]), numpy.array([degree(note.pitch, home) for note in line])


def sounding(motif):
    """(beats, degrees, length) of a motif with its rests taken out."""
    at, beats, degrees = 0.0, [], []
    for note in motif:
        if note.get("degree") is not None:
            beats.append(at)
            degrees.append(note["degree"])
        at += note["beats"]
    start = beats[0]
    return numpy.array(beats) - start, numpy.array(degrees, float), at - start


def likeness(motif, line):
    wanted, degrees, length = sounding(motif)
    beats, sung = line
    best = 0.0
    for speed in SPEEDS:
        # One row for every note of the melody that the motif is laid on, one column for every note of the motif.
        places = beats[:, None] + wanted * speed
        after = numpy.searchsorted(beats, places).clip(0, len(beats) - 1)
        before = (after - 1).clip(0)
        nearest = numpy.where(abs(beats[before] - places) <= abs(beats[after] - places), before, after)
        matched = abs(beats[nearest] - places) <= NEAR_BEATS
        first = numpy.searchsorted(beats, beats - NEAR_BEATS)
        within = numpy.searchsorted(beats, beats + length * speed - NEAR_BEATS) - first
        m = matched.sum(axis=1)
        rhythm = 2 * m / (len(wanted) + numpy.maximum(within, m))
        both = matched[:, 1:] & matched[:, :-1]
        off = abs(numpy.diff(sung[nearest], axis=1) - numpy.diff(degrees))
        steps = both * numpy.where(off < 0.25, 1.0, numpy.where(off <= 1.0, 0.5, 0.0))
        interval = steps.sum(axis=1) / max(1, len(wanted) - 1)
        best = max(best, ((rhythm + 2 * interval) / 3).max())
    return float(best)


def lines(piece, section):
    start, end = section["start_seconds"], section["start_seconds"] + section["length_seconds"]
    home = key.parse(section.get("key") or piece.plan["key"])
    beats_of = lambda note: note.quarter / piece.quarters_per_beat
    for track in piece.midi.melodies().values():
        here = [note for note in track if start - 0.05 <= note.start < end - 0.05]
        if len(here) >= 2:
            yield melody(here, home, beats_of)


def check(piece, foreign):
    """`foreign` are motifs that this piece does not have."""
    if piece.midi is None:
        yield Finding("motif", UNMEASURED)
        return
    motif = piece.plan["theme"]["motif"]
    for section in piece.plan["sections"]:
        if section["role"] not in JUDGED:
            continue
        where = f"{section['id']} {section['label']}"
        sung = list(lines(piece, section))
        if not sung and not section["orchestration"].get("lead"):
            yield Finding("motif", UNJUDGED, found="nobody leads by plan", where=where)
            continue
        like = max((likeness(motif, line) for line in sung), default=0.0)
        strangers = [max((likeness(other, line) for line in sung), default=0.0) for other in foreign if other != motif]
        found = f"{like:.2f}" if sung else "no melody notes"
        yield judged(
            "motif",
            like >= THRESHOLD,
            f"likeness at least {THRESHOLD}",
            found,
            where,
            values={"likeness": like, "strangers": strangers},
        )
