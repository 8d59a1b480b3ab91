"""The finished file: loudness, peaks, faults, and whether it measures like music of its kind.

Clicks. A click is a jump that nothing around it explains: a second difference |x[n-1] - 2 x[n] + x[n+1]| of at least
CLICK_FLOOR that is CLICK_RATIO times the largest one in the 20 ms before it (but for a guard of 0.3 ms) and in the
20 ms after. A drum or a plucked string fires nothing, because what follows its onset is as rough; a saw fires
nothing, because its edges come again within 20 ms. Jumps within 5 ms of the start of a MIDI note are left out.
Textures are taken out first (rain and vinyl are made of clicks), and because drums hide clicks the stems are
searched once more without drums and percussion. How much is found is measured in every piece: jumps that decay over
5 ms, as high as half the RMS of the piece, at twenty places.

Holes: more than 50 ms under -120 dBFS between the first and last sound over -60 dBFS. A late start: that first sound
comes after 1 s. A silent tail: more than 3 s under -60 dBFS after the last one.
"""

import numpy
import scipy.ndimage
import scipy.signal

from finding import judged

LOUDNESS_LU = 0.5
PEAK_DB = 0.1  # What two conforming true-peak meters may differ by.
CLICK_RATIO = 4.0
CLICK_FLOOR = 10 ** (-46 / 20)  # Smaller ones are kinks of an envelope, not jumps.
CLICK_AROUND_S = 0.02
CLICK_GUARD_S = 0.0003
NEAR_NOTE_S = 0.005
OFFSET = 10 ** (-60 / 20)
THIRDS = 1000 * 2.0 ** (numpy.arange(-10, 11) / 3)  # 99 Hz to 10.1 kHz


def decibel(ratio):
    return float(20 * numpy.log10(max(ratio, 1e-10)))


def true_peak(sound):
    """dBTP, four times oversampled (BS.1770 Annex 2) by a filter of 48 taps a phase."""
    taps = scipy.signal.firwin(4 * 48 + 1, 0.25, window=("kaiser", 8.0))
    return decibel(max(numpy.abs(scipy.signal.resample_poly(channel, 4, 1, window=taps)).max() for channel in sound.T))


def clicks(sound, rate, note_starts=()):
    """Seconds at which clicks lie, each counted once."""
    around, guard = int(CLICK_AROUND_S * rate), int(CLICK_GUARD_S * rate)
    found = set()
    for channel in sound.T:
        rough = numpy.abs(numpy.diff(channel, 2))
        largest = scipy.ndimage.maximum_filter1d(rough, around)
        # largest[n] covers `around` frames centred on n: moved so that it lies wholly before or after n.
        shift = around // 2 + guard
        before = numpy.concatenate([numpy.full(shift, 0.0), largest[:-shift]])
        after = numpy.concatenate([largest[shift:], numpy.full(shift, 0.0)])
        jumps = numpy.flatnonzero((rough > CLICK_FLOOR) & (rough > CLICK_RATIO * numpy.maximum(before, after)))
        found.update((jumps + 1) // (2 * guard))
    seconds = sorted(place * 2 * guard / rate for place in found)
    seconds = [second for index, second in enumerate(seconds) if index == 0 or second - seconds[index - 1] > 0.002]
    starts = numpy.sort(numpy.asarray(note_starts, float))
    return [second for second in seconds if not near(second, starts)]


def near(second, starts):
    if not len(starts):
        return False
    index = numpy.searchsorted(starts, second)
    return (
        min(abs(starts[max(0, index - 1)] - second), abs(starts[min(index, len(starts) - 1)] - second)) <= NEAR_NOTE_S
    )


def with_clicks(sound, rate, count, height, seed):
    """(the sound with `count` jumps of `height` that decay over 5 ms, the seconds at which they were put)."""
    random = numpy.random.default_rng(seed)
    places = numpy.sort(
        random.choice(numpy.arange(rate // 2, len(sound) - rate // 2, rate // 10), count, replace=False)
    )
    bent = sound.copy()
    shape = height * numpy.exp(-numpy.arange(rate // 20) / (0.005 * rate))
    for place in places:
        bent[place : place + len(shape)] += random.choice([-1, 1]) * shape[:, None]
    return bent, places / rate


def caught(signals, rate, count=20, share=0.5, seed=1):
    """How many of `count` clicks are found that are put into all of `signals` at once, `share` as high as the RMS of
    the first."""
    height = share * numpy.sqrt((signals[0] ** 2).mean())
    found = []
    for signal in signals:
        bent, places = with_clicks(signal, rate, count, height, seed)
        found += clicks(bent, rate)
    return sum(min((abs(second - place) for second in found), default=1.0) < 0.002 for place in places), count


def holes(sound, rate):
    """What is wrong with the silence of a piece, in words."""
    level = numpy.abs(sound).max(axis=1)
    loud = numpy.flatnonzero(level > 1e-3)
    if not len(loud):
        return ["nothing sounds"]
    first, last = loud[0], loud[-1]
    wrong = []
    if first > rate:
        wrong.append(f"starts after {first / rate:.1f} s")
    if len(level) - last > 3 * rate:
        wrong.append(f"last {(len(level) - last) / rate:.1f} s silent")
    quiet = numpy.concatenate([[0], (level[first:last] < 1e-6).astype(int), [0]])
    edges = numpy.flatnonzero(numpy.diff(quiet))
    gaps = [(start, end) for start, end in zip(edges[::2], edges[1::2]) if end - start > 0.05 * rate]
    return wrong + [f"hole of {(end - start) / rate:.2f} s at {(first + start) / rate:.2f} s" for start, end in gaps]


def third_octaves(sound, rate):
    """Levels in dB of the bands THIRDS, channels added."""
    frequencies, density = scipy.signal.welch(sound, rate, nperseg=16384, axis=0)
    density = density.sum(axis=1)
    edges = [(centre * 2 ** (-1 / 6), centre * 2 ** (1 / 6)) for centre in THIRDS]
    power = [density[(frequencies >= low) & (frequencies < high)].sum() for low, high in edges]
    return 10 * numpy.log10(numpy.maximum(power, 1e-20))


def slope(sound, rate):
    """dB per octave of the power spectral density, 100 Hz to 10 kHz."""
    per_octave = numpy.polyfit(numpy.log2(THIRDS), third_octaves(sound, rate), 1)[0]
    return float(per_octave - 10 * numpy.log10(2))


def correlation(sound):
    if sound.shape[1] < 2:
        return 1.0
    left, right = sound[:, 0], sound[:, 1]
    power = numpy.sqrt((left @ left) * (right @ right))
    return float(left @ right / power) if power > 0 else 1.0


def crest(sound):
    return decibel(numpy.abs(sound).max() / numpy.sqrt((sound**2).mean()))


def check(piece, family):
    import pyloudnorm

    sound, rate, report = piece.sound, piece.rate, piece.manifest["loudness"]
    target, ceiling = report["target_lufs"], report["ceiling_dbtp"]
    loudness = pyloudnorm.Meter(rate).integrated_loudness(sound)
    yield judged(
        "loudness",
        abs(loudness - target) <= LOUDNESS_LU,
        f"{target:g} LUFS",
        f"{loudness:.2f} LUFS",
        values={"lufs": loudness},
    )
    peak = true_peak(sound)
    yield judged("true peak", peak <= ceiling + PEAK_DB, f"{ceiling:g} dBTP", f"{peak:.2f} dBTP", values={"dbtp": peak})
    starts = [note.start for note in piece.midi.all()] if piece.midi is not None else []
    layers = [piece.music, piece.without("textures", "drums", "percussion")]
    found = sorted({round(second, 3) for layer in layers for second in clicks(layer, rate, starts)})
    injected = caught(layers, rate)
    shown = ", ".join(f"{second:.3f} s" for second in found[:6]) + (
        f" and {len(found) - 6} more" if len(found) > 6 else ""
    )
    yield judged(
        "clicks",
        not found,
        "none",
        shown or "none",
        values={"at": found[:50], "injected_found": injected[0], "injected": injected[1]},
    )
    wrong = holes(sound, rate)
    yield judged("silence", not wrong, "none", "; ".join(wrong) or "none")
    offset = numpy.abs(sound.mean(axis=0)).max()
    yield judged("offset", offset <= OFFSET, "under -60 dBFS", f"{decibel(offset):.0f} dBFS")
    shape = {"stereo": correlation(sound), "slope": slope(piece.music, rate), "crest": crest(sound)}
    for measure, value in shape.items():
        low, high = family[measure]
        yield judged(measure, low <= value <= high, f"{low:g} to {high:g}", f"{value:.2f}", values={"value": value})
