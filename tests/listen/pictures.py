"""A picture of a piece: loudness over time with its sections, spectrogram, third-octave spectrum with its straight
line."""

import matplotlib

matplotlib.use("Agg")
import librosa
import numpy
from matplotlib import pyplot

import sections
import sound


def draw(piece, path):
    figure, (level, spectrum, bands) = pyplot.subplots(
        3, 1, figsize=(14, 13), height_ratios=[2, 4, 2], layout="constrained"
    )
    plan = piece.plan
    figure.suptitle(
        f"{plan['prompt']}\n{plan['style']}, {plan['tempo_bpm']:g} bpm, {plan['time_signature']}, {plan['key']}, seed {piece.seed}"
    )
    starts, levels = sections.short_term(piece.sound, piece.rate)
    level.plot(starts + sections.WINDOW_S / 2, levels, color="black")
    level.set(ylabel="short-term LUFS", xlim=(0, plan["duration_seconds"]), ylim=(-45, -5))
    for section in plan["sections"]:
        for axis in (level, spectrum):
            axis.axvline(section["start_seconds"], color="grey", linewidth=0.8)
        level.text(section["start_seconds"], -7, f" {section['label']} ({section['energy']})", va="top", fontsize=8)
    mono = piece.mono(44100)
    power = librosa.feature.melspectrogram(
        y=mono, sr=44100, n_fft=4096, hop_length=1024, n_mels=160, fmin=30, fmax=20000
    )
    decibels = librosa.power_to_db(power, ref=numpy.max, top_db=80)
    librosa.display.specshow(
        decibels, sr=44100, hop_length=1024, x_axis="time", y_axis="mel", fmin=30, fmax=20000, ax=spectrum
    )
    levels = sound.third_octaves(piece.music, piece.rate)
    fit = numpy.polyfit(numpy.log2(sound.THIRDS), levels, 1)
    bands.semilogx(sound.THIRDS, levels, "ko-", sound.THIRDS, numpy.polyval(fit, numpy.log2(sound.THIRDS)), "k:")
    bands.set(xlabel="Hz", ylabel="dB per third", title=f"{sound.slope(piece.music, piece.rate):.1f} dB per octave")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
