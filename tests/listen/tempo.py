"""Tempo as two detectors hear it, and the metre as the MIDI file states it.

librosa: onset strength, its tempo estimator with its own default prior (a wide bell around 120), then refined to the
peak of the Fourier transform of the onset strength, summed over four harmonics, within 4 % of that estimate.
essentia, where it is installed: RhythmExtractor2013, multifeature. Neither knows the plan.

A piece is right when one of the two is within 2 % of the plan; an octave error when one of them is within 2 % of the
plan times 2, 4, 1/2 or 1/4; a 3:2 error when that holds for 3, 3/2, 2/3, 1/3, 4/3 or 3/4 and the metre or the feel
counts in threes (3/4, 6/8, 12/8, swing). These errors are the detectors' habit more than the music's, and are
counted apart.
"""

import numpy

import second_opinion
from finding import MISS, OCTAVE, OK, RATIO, UNJUDGED, UNMEASURED, Finding, judged

TOLERANCE = 0.02
OCTAVES = [2, 4, 1 / 2, 1 / 4]
THREES = [3, 3 / 2, 2 / 3, 1 / 3, 4 / 3, 3 / 4]


def by_librosa(mono, rate):
    import librosa

    hop = 256
    strength = librosa.onset.onset_strength(y=mono, sr=rate, hop_length=hop)
    coarse = float(librosa.feature.tempo(onset_envelope=strength, sr=rate, hop_length=hop)[0])
    candidates = coarse * numpy.linspace(0.96, 1.04, 321)
    seconds = numpy.arange(len(strength)) * hop / rate
    strength = (strength - strength.mean()) * numpy.hanning(len(strength))
    score = sum(
        numpy.abs(numpy.exp(-2j * numpy.pi * harmonic * numpy.outer(candidates / 60, seconds)) @ strength)
        for harmonic in (1, 2, 3, 4)
    )
    return float(candidates[numpy.argmax(score)])


def verdict(heard, planned, in_threes):
    near = lambda factor: any(abs(bpm / (planned * factor) - 1) <= TOLERANCE for bpm in heard)
    if near(1):
        return OK
    if any(map(near, OCTAVES)):
        return OCTAVE
    return RATIO if in_threes and any(map(near, THREES)) else MISS


def counts_in_threes(plan, swings):
    return plan["time_signature"] in ("3/4", "6/8", "12/8") or swings


def hear(piece):
    heard = {"librosa": by_librosa(piece.mono(22050), 22050)}
    if second_opinion.AVAILABLE:
        heard["essentia"] = second_opinion.bpm(piece.mono(44100))
    return heard


def check(piece, family):
    plan = piece.plan
    planned = plan["tempo_bpm"]
    swings = (plan["theme"].get("swing") or 0.5) > 0.55 or piece.prompt["style"] in family.get("swings", [])
    rhythmic = piece.prompt.get("rhythmic", family["rhythmic"])
    if rhythmic:
        heard = hear(piece)
        result = verdict(heard.values(), planned, counts_in_threes(plan, swings))
        found = ", ".join(f"{name} {bpm:.1f}" for name, bpm in heard.items())
        values = {"heard": heard, "threes": counts_in_threes(plan, swings)}
        yield Finding("tempo", result, f"{planned:g}", found, values=values)
    else:
        yield Finding("tempo", UNJUDGED, f"{planned:g}")
    yield from written(piece)


def written(piece):
    plan, midi = piece.plan, piece.midi
    if midi is None:
        yield Finding("metre", UNMEASURED)
        yield Finding("midi", UNMEASURED)
        return
    yield judged(
        "metre", set(midi.metres) == {plan["time_signature"]}, plan["time_signature"], ", ".join(midi.metres) or "none"
    )
    yield judged("midi", midi.type == 1, "type 1", f"type {midi.type}")
    bpm = midi.quarter_bpm / piece.quarters_per_beat
    yield judged("midi", abs(bpm / plan["tempo_bpm"] - 1) < 0.001, f"{plan['tempo_bpm']:.3f} bpm", f"{bpm:.3f} bpm")
    want = [(round(section["start_seconds"], 1), section["label"]) for section in plan["sections"]]
    have = [(round(seconds, 1), text) for seconds, text in midi.markers]
    close = len(want) == len(have) and all(a[1] == b[1] and abs(a[0] - b[0]) <= 0.11 for a, b in zip(want, have))
    yield judged("midi", close, f"markers {want}", f"markers {have}")
