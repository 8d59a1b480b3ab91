"""How far two renderings of one prompt lie apart.

Notes: one minus the share of pitched notes (sixteenth and pitch) that both have, of all that either has. Sound: mean
difference in dB of mel spectra (64 bands, every quarter of a second, 60 dB deep), level removed. Both are 0 for the
same piece; another seed must be over both floors. The tempo, key and players that the prompt names are the same, so
that the distance is one of composition.
"""

import numpy

from finding import UNMEASURED, Finding, judged

NOTES_FLOOR = 0.4
SOUND_FLOOR_DB = 3.0


def of_notes(one, other):
    grid = lambda midi: {(round(note.quarter * 4), note.pitch) for note in midi.pitched()}
    a, b = grid(one), grid(other)
    return 1 - len(a & b) / max(1, len(a | b))


def of_sound(one, other, rate=22050):
    import librosa

    def levels(mono):
        power = librosa.feature.melspectrogram(y=mono, sr=rate, n_fft=4096, hop_length=rate // 4, n_mels=64)
        return librosa.power_to_db(power, ref=numpy.max, top_db=60)

    a, b = levels(one), levels(other)
    length = min(a.shape[1], b.shape[1])
    return float(numpy.abs(a[:, :length] - b[:, :length]).mean())


def check(piece, again, other):
    """`again` has the seed of `piece`, `other` another one."""
    first, second = piece.digests(), again.digests()
    differ = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    yield judged("repeat", not differ, "the same samples and MIDI bytes", ", ".join(differ))
    distance = of_sound(piece.mono(22050), other.mono(22050))
    found, good = f"sound {distance:.1f} dB", distance >= SOUND_FLOOR_DB
    if piece.midi is None:
        yield Finding("seeds", UNMEASURED, where="notes")
    else:
        apart = of_notes(piece.midi, other.midi)
        found, good = f"{found}, notes {apart:.2f}", good and apart >= NOTES_FLOOR
    yield judged(
        "seeds", good, f"sound {SOUND_FLOOR_DB} dB, notes {NOTES_FLOOR}", found, f"seeds {piece.seed} and {other.seed}"
    )
