"""Key and mode: what detectors make of the sound, what a profile makes of the notes, and whether melodies keep to
the scale.

Heard: essentia's KeyExtractor with its default profile (bgate) where it is installed, and here a chroma of the
constant-Q transform (librosa), averaged over the piece and correlated with key profiles. Written: pitch classes of all
pitched notes, weighted with their length, correlated with the same profiles. The sum of two correlations decides,
with the profiles of
  Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal organization", Psychological Review 89 (1982);
  Temperley, "What's key for key?", Music Perception 17 (1999), who expects the raised leading tone more.

Judged are the tonic and whether the third above it is major or minor; a piece is right when one detector says so.
Detectors know major and minor only. So a piece in minor, harmonic minor or major must be named exactly: its relative
key is wrong. A piece in another mode is also right when a detector names the major or minor key with the same seven
notes (C major or A minor for D dorian) and the piece comes to rest on its tonic: written, the lowest of its last
notes; heard, the pitch class that leads the last three seconds or that the fifth above it leads. Sections that the
plan puts into another key are left out.
"""

import numpy

import second_opinion
from finding import UNJUDGED, UNMEASURED, Finding, judged

NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
MODES = {
    "major": [0, 2, 4, 5, 7, 9, 11],
    "minor": [0, 2, 3, 5, 7, 8, 10],
    "dorian": [0, 2, 3, 5, 7, 9, 10],
    "phrygian": [0, 1, 3, 5, 7, 8, 10],
    "lydian": [0, 2, 4, 6, 7, 9, 11],
    "mixolydian": [0, 2, 4, 5, 7, 9, 10],
    "locrian": [0, 1, 3, 5, 6, 8, 10],
    "harmonic minor": [0, 2, 3, 5, 7, 8, 11],
}
PROFILES = {
    "major": [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0],
    ],
    "minor": [
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
        [5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0],
    ],
}


def parse(text):
    """(pitch class of the tonic, mode) of "F# minor"."""
    tonic, _, mode = text.partition(" ")
    letter = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[tonic[0]]
    shift = tonic.count("#") + tonic.count("\u266f") - tonic[1:].count("b") - tonic.count("\u266d")
    return (letter + shift) % 12, mode or "major"


def third(mode):
    return "minor" if MODES[mode][2] == 3 else "major"


def name(tonic, mode):
    return f"{NAMES[tonic]} {mode}"


def scale(text):
    """Pitch classes of a key; in minor the raised seventh belongs to it too."""
    tonic, mode = parse(text)
    raised = [11] if mode == "minor" else []
    return {(tonic + step) % 12 for step in MODES[mode] + raised}


def by_profile(weights):
    """The (tonic, "major" or "minor") that twelve weights fit best."""
    fit = {
        (tonic, mode): sum(numpy.corrcoef(numpy.roll(profile, tonic), weights)[0, 1] for profile in profiles)
        for mode, profiles in PROFILES.items()
        for tonic in range(12)
    }
    return max(fit, key=fit.get)


def chroma(mono, rate):
    import librosa

    return librosa.feature.chroma_cqt(y=mono, sr=rate, hop_length=2048, n_octaves=6, tuning=0.0)


def right(found, planned, at_rest):
    """`found` is (tonic, "major" or "minor"), `planned` (tonic, mode); `at_rest`: the piece ends on its tonic."""
    tonic, mode = planned
    if found == (tonic, third(mode)):
        return True
    if mode in ("major", "minor", "harmonic minor"):
        return False
    same_notes = {(found[0] + step) % 12 for step in MODES[found[1]]} == {(tonic + step) % 12 for step in MODES[mode]}
    return same_notes and at_rest


def in_home_key(piece):
    """(start, end) in seconds of the sections that have the key of the piece."""
    home = piece.plan["key"]
    for section in piece.plan["sections"]:
        if (section.get("key") or home) == home:
            yield section["start_seconds"], section["start_seconds"] + section["length_seconds"]


def cut(mono, rate, spans):
    return numpy.concatenate([mono[int(start * rate) : int(end * rate)] for start, end in spans])


def check(piece, family):
    yield heard(piece)
    if piece.midi is None:
        yield Finding("key written", UNMEASURED)
        yield Finding("scale", UNMEASURED)
    else:
        planned = piece.plan["key"]
        yield judged("midi", signature(piece.midi.key, parse(planned)), f"signature of {planned}", piece.midi.key)
        yield written(piece)
        yield in_scale(piece, family)


def heard(piece):
    planned = parse(piece.plan["key"])
    spans = list(in_home_key(piece))
    mono = piece.mono(22050)
    # The last notes: what sounds in the three seconds before the sound has fallen by 40 dB for good.
    level = numpy.abs(mono)
    ends = numpy.flatnonzero(level > level.max() / 100)[-1]
    last = chroma(mono[max(0, ends - 3 * 22050) : ends], 22050).mean(axis=1)
    leader = int(numpy.argmax(last))
    at_rest = planned[0] in (leader, (leader + 5) % 12)
    found = {"librosa": by_profile(chroma(cut(mono, 22050, spans), 22050).mean(axis=1))}
    if second_opinion.AVAILABLE:
        found["essentia"] = parse(second_opinion.key(cut(piece.mono(44100), 44100, spans)))
    names = {detector: name(*key) for detector, key in found.items()}
    shown = ", ".join(f"{detector} {key}" for detector, key in names.items())
    good = any(right(key, planned, at_rest) for key in found.values())
    return judged("key heard", good, piece.plan["key"], shown, values={"heard": names, "at_rest": at_rest})


def signature(midi_key, planned):
    """Whether a key signature ("F#m") has the accidentals of the mode itself or of the major or minor key on its tonic."""
    tonic, mode = planned
    if midi_key is None:
        return False
    written = parse(midi_key.removesuffix("m") + (" minor" if midi_key.endswith("m") else " major"))
    tones = lambda at, name: {(at + step) % 12 for step in MODES[name]}
    return tones(*written) in (tones(tonic, mode), tones(tonic, third(mode)))


def weights(notes):
    total = numpy.zeros(12)
    for note in notes:
        total[note.pitch % 12] += note.end - note.start
    return total


def written(piece):
    planned = parse(piece.plan["key"])
    pitched = piece.midi.pitched()
    spans = list(in_home_key(piece))
    home = [note for note in pitched if any(start - 0.05 <= note.start < end - 0.05 for start, end in spans)]
    if not home:
        return Finding("key written", UNJUDGED, piece.plan["key"], "no pitched notes")
    finish = max(note.end for note in pitched)
    last = [note for note in pitched if note.end > finish - 0.5]
    at_rest = min(note.pitch for note in last) % 12 == planned[0]
    found = by_profile(weights(home))
    values = {"at_rest": at_rest}
    return judged("key written", right(found, planned, at_rest), piece.plan["key"], name(*found), values=values)


def in_scale(piece, family):
    """The share of melody notes in the key of their section."""
    diatonic = family["diatonic"]
    total = inside = 0
    for section in piece.plan["sections"]:
        notes = scale(section.get("key") or piece.plan["key"])
        start, end = section["start_seconds"], section["start_seconds"] + section["length_seconds"]
        for line in piece.midi.melodies().values():
            here = [note for note in line if start - 0.05 <= note.start < end - 0.05]
            total += len(here)
            inside += sum(note.pitch % 12 in notes for note in here)
    if not diatonic or not total:
        return Finding("scale", UNJUDGED, piece.plan["key"], f"{inside} of {total}")
    found = f"{inside} of {total}"
    return judged("scale", inside >= 0.9 * total, "90 % in the scale", found, count=inside, of=total)
