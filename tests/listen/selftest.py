"""The detectors on signals whose answer is known. Each check prints what was expected and what came out."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import mido
import numpy

import key
import likeness
import motif
import notes
import players
import second_opinion
import sections
import sound
import tempo
from finding import OCTAVE, OK, RATIO

RATE = 44100


class Sheet:
    """Prints checks and remembers whether all were good."""

    def __init__(self):
        self.good = True

    def check(self, name, good, expected, found):
        self.good &= bool(good)
        print(f"{'ok  ' if good else 'MISS'} {name}: expected {expected}; found {found}")


def run():
    sheet = Sheet()
    for part in (tempi, keys, midi, motifs, written, click_detector, levels, silence, contrasts, distances):
        part(sheet)
    print("every detector is right" if sheet.good else "some detectors are wrong")
    return sheet.good


def hit(seconds, decay, colour, random):
    """A drum: noise that decays, low-passed (colour 0) or as it is (colour 1), with a thump under it."""
    time = numpy.arange(int(seconds * RATE)) / RATE
    noise = random.standard_normal(len(time))
    thump = numpy.sin(2 * numpy.pi * 60 * time + 6 * (1 - numpy.exp(-time * 40)))
    return (colour * noise + (1 - colour) * thump) * numpy.exp(-time / decay)


def beat(bpm, seconds=40, swing=0.5, pattern=("kick", "hat", "snare", "hat")):
    """A drum pattern in eighths."""
    random = numpy.random.default_rng(7)
    drums = {
        "kick": 0.9 * hit(0.3, 0.08, 0.02, random),
        "snare": 0.5 * hit(0.2, 0.05, 0.7, random),
        "hat": 0.15 * hit(0.05, 0.012, 1.0, random),
    }
    sum_ = numpy.zeros(int((seconds + 1) * RATE))
    for step in range(int(seconds * bpm / 30)):
        at = (step // 2 + (swing if step % 2 else 0)) * 60 / bpm
        if at >= seconds:
            break
        drum = drums[pattern[step % len(pattern)]]
        begin = int(at * RATE)
        sum_[begin : begin + len(drum)] += drum[: len(sum_) - begin]
    return sum_[: int(seconds * RATE)]


def tempi(sheet):
    import librosa

    cases = [
        (72, 0.5, False),
        (96.5, 0.5, False),
        (120, 0.5, False),
        (131, 0.5, False),
        (174, 0.5, False),
        (92, 0.62, True),
        (140, 0.66, True),
    ]
    for bpm, swing, threes in cases:
        mono = beat(bpm, swing=swing).astype(numpy.float32)
        heard = {"librosa": tempo.by_librosa(librosa.resample(mono, orig_sr=RATE, target_sr=22050), 22050)}
        if second_opinion.AVAILABLE:
            heard["essentia"] = second_opinion.bpm(mono)
        for detector, found in heard.items():
            word = tempo.verdict([found], bpm, threes)
            sheet.check(
                f"tempo {bpm} swing {swing} {detector}", word in (OK, OCTAVE, RATIO), f"{bpm}", f"{found:.2f} ({word})"
            )
        sheet.check(
            f"tempo {bpm} swing {swing} judged",
            tempo.verdict(heard.values(), bpm, threes) in (OK, OCTAVE),
            "ok or octave",
            tempo.verdict(heard.values(), bpm, threes),
        )
    sheet.check(
        "tempo off by 3 %", tempo.verdict([103.0], 100, False) == "MISS", "MISS", tempo.verdict([103.0], 100, False)
    )


def tone(pitch, seconds):
    time = numpy.arange(int(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    partials = sum(numpy.sin(2 * numpy.pi * frequency * n * time) / n**1.5 for n in range(1, 7))
    return partials * numpy.exp(-time / 0.6) * numpy.minimum(1, 200 * numpy.minimum(time, seconds - time))


def progression(tonic, mode, degrees):
    """Triads with a bass, as notes."""
    steps = key.MODES[mode]
    played = []
    for bar, degree in enumerate(degrees * 2):
        pitches = [48 + tonic + steps[(degree - 1 + k) % 7] + 12 * ((degree - 1 + k) // 7) for k in (0, 2, 4)]
        pitches = [pitches[0] - 12] + [pitch + (12 if pitch < 55 else 0) for pitch in pitches]
        played += [notes.Note(bar, bar + 1, bar * 2, pitch, 0) for pitch in pitches]
    return played


def render(played):
    mix = numpy.zeros(int((max(note.end for note in played) + 0.5) * RATE))
    for note in played:
        wave = tone(note.pitch, note.end - note.start)
        mix[int(note.start * RATE) : int(note.start * RATE) + len(wave)] += 0.1 * wave
    return mix.astype(numpy.float32)


def keys(sheet):
    import librosa

    good = 0
    cases = [
        (tonic, mode, degrees)
        for tonic in range(12)
        for mode, degrees in [("major", [1, 6, 4, 5, 1, 4, 5, 1]), ("minor", [1, 6, 3, 7, 1, 4, 5, 1])]
    ]
    for tonic, mode, degrees in cases:
        good += key.by_profile(key.weights(progression(tonic, mode, degrees))) == (tonic, mode)
    sheet.check("key of notes, 24 keys", good >= 22, "at least 22", good)
    heard = {"librosa": 0, "essentia": 0}
    some = cases[::3]
    for tonic, mode, degrees in some:
        mono = render(progression(tonic, mode, degrees))
        slow = librosa.resample(mono, orig_sr=RATE, target_sr=22050)
        heard["librosa"] += key.by_profile(key.chroma(slow, 22050).mean(axis=1)) == (tonic, mode)
        heard["essentia"] += second_opinion.AVAILABLE and key.parse(second_opinion.key(mono)) == (tonic, mode)
    for detector in ["librosa", "essentia"][: 1 + second_opinion.AVAILABLE]:
        sheet.check(
            f"key of sound, {detector}", heard[detector] >= len(some) - 1, f"at least {len(some) - 1}", heard[detector]
        )
    rules = [
        ((0, "major"), (2, "dorian"), True, True),
        ((0, "major"), (2, "dorian"), False, False),
        ((0, "major"), (9, "minor"), True, False),
        ((4, "minor"), (4, "phrygian"), False, True),
        ((5, "major"), (2, "dorian"), True, False),
        ((0, "minor"), (0, "harmonic minor"), False, True),
    ]
    for found, planned, at_rest, want in rules:
        got = key.right(found, planned, at_rest)
        sheet.check(f"{key.name(*found)} for {key.name(*planned)}, at rest {at_rest}", got == want, want, got)
    signatures = [
        ("Dm", "D dorian"),
        ("C", "D dorian"),
        ("F#m", "F# minor"),
        ("D", "D dorian"),
        ("Cm", "C harmonic minor"),
    ]
    fits = [key.signature(stated, key.parse(planned)) for stated, planned in signatures]
    sheet.check("key signatures", fits == [True, True, True, False, True], "all but D for D dorian", fits)
    sheet.check(
        "scale of A minor",
        key.scale("A minor") == {9, 11, 0, 2, 4, 5, 7, 8},
        "with G and G#",
        sorted(key.scale("A minor")),
    )
    named = [key.parse(text) for text in ("Bb major", "F# dorian", "C harmonic minor", "E")]
    want = [(10, "major"), (6, "dorian"), (0, "harmonic minor"), (4, "major")]
    sheet.check("names of keys", named == want, want, named)


def midi(sheet):
    """A file with a slowing second half, written and read."""
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    head, part = mido.MidiTrack(), mido.MidiTrack()
    file.tracks.extend([head, part])
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(90)))
    head.append(mido.MetaMessage("time_signature", numerator=6, denominator=8))
    head.append(mido.MetaMessage("marker", text="Intro"))
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60), time=960))
    head.append(mido.MetaMessage("marker", text="Outro"))
    part.append(mido.MetaMessage("track_name", name="piano melody"))
    for pitch in (60, 62, 64):
        part.append(mido.Message("note_on", note=pitch, velocity=80))
        part.append(mido.Message("note_off", note=pitch, time=480))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.mid"
        file.save(path)
        read = notes.read(path)
    starts = [round(note.start, 3) for note in read.tracks["piano melody"]]
    sheet.check("MIDI note starts", starts == [0.0, 0.667, 1.333], [0.0, 0.667, 1.333], starts)
    ends = round(read.tracks["piano melody"][-1].end, 3)
    sheet.check("MIDI after the change of tempo", ends == 2.333, 2.333, ends)
    sheet.check(
        "MIDI metre and markers",
        read.metres == ["6/8"] and round(read.markers[1][0], 3) == 1.333,
        "6/8, Outro at 1.333",
        f"{read.metres}, {read.markers}",
    )


def line(motif_notes, moved=0, bend=(), speed=1.0, jitter=0.0, random=None):
    at, beats, degrees = 8.0, [], []
    for index, note in enumerate(motif_notes):
        beats.append(at + (random.uniform(-jitter, jitter) if random else 0))
        degrees.append(note["degree"] + moved + (1 if index in bend else 0))
        at += note["beats"] * speed
    return numpy.array(beats), numpy.array(degrees, float)


def motifs(sheet):
    random = numpy.random.default_rng(3)
    theme = [{"degree": d, "beats": b} for d, b in zip([0, 1, 2, 4, 3, 1, 2, 0], [1, 0.5, 0.5, 1, 1, 0.5, 1.5, 2])]
    for name, sung, low, high in [
        ("as it is", line(theme), 1.0, 1.0),
        ("moved up a third, unsteady", line(theme, 2, jitter=0.05, random=random), 0.99, 1.0),
        ("twice as slow", line(theme, speed=2.0), 0.99, 1.0),
        ("one tone bent", line(theme, bend=(3,)), motif.THRESHOLD, 0.99),
        ("upside down", (line(theme)[0], -line(theme)[1]), 0.0, motif.THRESHOLD - 0.01),
    ]:
        like = motif.likeness(theme, sung)
        sheet.check(f"motif {name}", low - 1e-9 <= like <= high + 1e-9, f"{low:g} to {high:g}", f"{like:.2f}")
    false = 0
    for _ in range(200):
        steps = random.choice([-2, -1, -1, 0, 1, 1, 2, 3], 40)
        beats = numpy.cumsum(random.choice([0.5, 0.5, 1.0, 1.0, 1.5, 2.0], 40))
        false += motif.likeness(theme, (beats, numpy.cumsum(steps).astype(float))) >= motif.THRESHOLD
    sheet.check("motif in 200 random melodies of 40 notes", false <= 10, "at most 10", false)
    ionian, minor = (0, "major"), (9, "minor")
    found = [motif.degree(pitch, ionian) - motif.degree(60, ionian) for pitch in (60, 62, 64, 65, 72, 59, 61)]
    sheet.check("degrees in C major", found == [0, 1, 2, 3, 7, -1, 0.5], [0, 1, 2, 3, 7, -1, 0.5], found)
    found = motif.degree(57, minor) - motif.degree(45, minor)
    sheet.check("an octave in A minor", found == 7, 7, found)


def written(sheet):
    """A piece of piano, drums and motif, as the checks of the MIDI file see it; then the same piece with faults."""
    theme = [{"degree": d, "beats": b} for d, b in zip([0, 1, 2, 4, 3, 2, 1, 0], [1, 0.5, 0.5, 1, 1, 1, 1, 2])]
    plan = {
        "style": "pop",
        "tempo_bpm": 120.0,
        "time_signature": "4/4",
        "key": "D dorian",
        "theme": {"motif": theme},
        "sections": [
            {
                "id": "s00",
                "role": "motif",
                "label": "Motif",
                "energy": "medium",
                "start_seconds": 0.0,
                "length_seconds": 8.0,
            },
            {
                "id": "s01",
                "role": "chorus",
                "label": "Chorus",
                "energy": "high",
                "start_seconds": 8.0,
                "length_seconds": 8.0,
            },
        ],
    }
    for section in plan["sections"]:
        section["orchestration"] = {"harmony": ["piano"], "lead": ["piano"]}

    def piece(tune, metre="4/4", drums=True):
        at, melody = 16.0, []
        for note in tune:
            pitch = 62 + key.MODES["dorian"][note["degree"] % 7] + 12 * (note["degree"] // 7)
            melody.append(notes.Note(at / 2, (at + note["beats"]) / 2, at, pitch, 0))
            at += note["beats"]
        chords = [
            notes.Note(bar * 2.0, bar * 2 + 2.0, bar * 4.0, pitch, 1)
            for bar in range(8)
            for pitch in ((38, 62, 65, 69) if bar % 2 == 0 or bar == 7 else (43, 59, 62, 67))
        ]
        tracks = {"piano melody": melody, "piano": chords}
        if drums:
            tracks["drums"] = [notes.Note(beat / 2, beat / 2 + 0.1, float(beat), 36, notes.DRUMS) for beat in range(32)]
        markers = [(section["start_seconds"], section["label"]) for section in plan["sections"]]
        read = notes.Midi(1, 120.0, [metre], "Dm", markers, tracks)
        prompt = {"style": "pop", "present": ["piano"], "absent": ["rhythm"]}
        return SimpleNamespace(plan=plan, midi=read, prompt=prompt, stems={}, quarters_per_beat=1.0)

    tune, odd = theme, [{"degree": d, "beats": 1.0} for d in (4, 0, 5, 1, 6, 0, 4, 2)]
    family = {"diatonic": True}
    cases = [
        ("metre", lambda: next(tempo.written(piece(tune))), "ok"),
        ("another metre", lambda: next(tempo.written(piece(tune, metre="3/4"))), "MISS"),
        ("key D dorian", lambda: key.written(piece(tune)), "ok"),
        ("scale", lambda: key.in_scale(piece(tune), family), "ok"),
        ("motif in the chorus", lambda: next(motif.check(piece(tune), [])), "ok"),
        ("another tune in the chorus", lambda: next(motif.check(piece(odd), [])), "MISS"),
        ("no tune in the chorus", lambda: next(motif.check(piece([]), [])), "MISS"),
        ("named piano without a stem", lambda: list(players.heard(piece(tune)))[0], "MISS"),
        ("excluded drums play", lambda: list(players.heard(piece(tune)))[1], "MISS"),
        ("excluded drums do not play", lambda: list(players.heard(piece(tune, drums=False)))[1], "ok"),
    ]
    for name, make, want in cases:
        found = make()
        sheet.check(f"written: {name}", found.verdict == want, want, f"{found.verdict}: {found.found}")


def click_detector(sheet):
    drums = beat(120, 20)[:, None] * 0.6
    sheet.check("clicks in drums", not sound.clicks(drums, RATE), "none", sound.clicks(drums, RATE)[:5])
    chords = render(progression(0, "major", [1, 6, 4, 5])).astype(float)[:, None]
    sheet.check("clicks in chords", not sound.clicks(chords, RATE), "none", sound.clicks(chords, RATE)[:5])
    time = numpy.arange(8 * RATE) / RATE
    saw = (0.5 * (2 * (time * 55 % 1) - 1))[:, None]
    sheet.check("clicks in a saw of 55 Hz", not sound.clicks(saw, RATE), "none", len(sound.clicks(saw, RATE)))
    found, of = sound.caught([chords], RATE)
    sheet.check(
        "clicks put into chords, half the RMS high", found >= 0.75 * of, f"at least {0.75 * of:g} of {of}", found
    )
    # Drums alone hide most: the reason why the other stems are searched without them.
    band = drums[: len(chords)] + chords[: len(drums)]
    found, of = sound.caught([band, chords[: len(band)]], RATE)
    sheet.check("clicks put into drums and chords", found >= 0.75 * of, f"at least {0.75 * of:g} of {of}", found)
    cut_off = chords.copy()
    place = int(3.33 * RATE)
    cut_off[place:] = 0
    jump = abs(cut_off[place - 1, 0])
    sheet.check(
        f"a chord cut off at {jump:.2f}",
        len(sound.clicks(cut_off, RATE)) == 1,
        "one click",
        sound.clicks(cut_off, RATE),
    )
    sheet.check(
        "a click at a note start",
        not sound.clicks(cut_off, RATE, [3.332]),
        "left out",
        sound.clicks(cut_off, RATE, [3.332]),
    )


def levels(sheet):
    import pyloudnorm

    random = numpy.random.default_rng(5)
    time = numpy.arange(20 * RATE) / RATE
    white = random.standard_normal((20 * RATE, 2)) * 0.1
    spectrum = numpy.fft.rfft(white[:, 0])
    pink = numpy.fft.irfft(spectrum / numpy.sqrt(numpy.maximum(1, numpy.arange(len(spectrum)))))[:, None]
    for name, signal, want in [("white", white, 0.0), ("pink", pink, -3.01)]:
        found = sound.slope(signal, RATE)
        sheet.check(f"slope of {name} noise", abs(found - want) < 0.2, want, f"{found:.2f}")
    sheet.check(
        "correlation of unrelated channels", abs(sound.correlation(white)) < 0.02, 0, f"{sound.correlation(white):.3f}"
    )
    sheet.check("correlation of mirrored channels", sound.correlation(white[:, :1] * [1, -1]) < -0.99, -1, "")
    quarter = (0.5 * numpy.minimum(1, time) * numpy.sin(2 * numpy.pi * RATE / 4 * time + numpy.pi / 4))[:, None]
    peak = sound.true_peak(quarter)
    sheet.check("true peak between samples", abs(peak + 6.02) < 0.1, "-6.02 dBTP", f"{peak:.2f} dBTP")
    sine = 0.5 * numpy.sin(2 * numpy.pi * 997 * time)[:, None] * [1, 1]
    sheet.check("crest of a sine", abs(sound.crest(sine) - 3.01) < 0.02, 3.01, f"{sound.crest(sine):.2f}")
    short = sections.short_term(sine, RATE)[1].mean()
    whole = pyloudnorm.Meter(RATE).integrated_loudness(sine)
    sheet.check(
        "loudness of a sine at -6 dBFS",
        abs(short + 6.0) < 0.1 and abs(whole + 6.0) < 0.1,
        "-6.0 LUFS (BS.1770)",
        f"{short:.2f}, {whole:.2f}",
    )


def silence(sheet):
    music = render(progression(0, "major", [1, 4, 5, 1])).astype(float)[:, None]
    sheet.check("holes in music", sound.holes(music, RATE) == [], "none", sound.holes(music, RATE))
    torn = music.copy()
    torn[2 * RATE : int(2.1 * RATE)] = 0
    sheet.check("a hole of 0.1 s", len(sound.holes(torn, RATE)) == 1, "one", sound.holes(torn, RATE))
    late = numpy.concatenate([numpy.zeros((2 * RATE, 1)), music, numpy.zeros((4 * RATE, 1))])
    sheet.check("late start and silent tail", len(sound.holes(late, RATE)) == 2, "two", sound.holes(late, RATE))


def contrasts(sheet):
    music = numpy.concatenate([0.05 * beat(100, 12), 0.5 * beat(100, 12)])[:, None] * [1, 1]
    for energies, want in [(["low", "high"], "ok"), (["high", "low"], "MISS"), (["low", "low"], "-")]:
        plan = {
            "sections": [
                {"id": f"s0{n}", "label": "", "energy": energy, "start_seconds": 12.0 * n, "length_seconds": 12.0}
                for n, energy in enumerate(energies)
            ]
        }
        piece = SimpleNamespace(sound=music, rate=RATE, plan=plan, midi=None)
        found = next(sections.check(piece))
        sheet.check(
            f"quiet then loud, planned {energies}", found.verdict == want, want, f"{found.verdict} {found.found}"
        )


def distances(sheet):
    import librosa

    mono = lambda degrees: librosa.resample(render(progression(0, "major", degrees)), orig_sr=RATE, target_sr=22050)
    one, other = mono([1, 6, 4, 5]), mono([4, 1, 5, 6])
    same = likeness.of_sound(one, one)
    faint = likeness.of_sound(
        one, one + 1e-4 * numpy.random.default_rng(1).standard_normal(len(one)).astype(numpy.float32)
    )
    apart = likeness.of_sound(one, other)
    sheet.check("distance to itself", same == 0.0, 0, f"{same:.2f}")
    sheet.check(
        "distance to itself with faint noise",
        faint < likeness.SOUND_FLOOR_DB,
        f"under {likeness.SOUND_FLOOR_DB}",
        f"{faint:.2f}",
    )
    sheet.check(
        "distance to other chords", apart > likeness.SOUND_FLOOR_DB, f"over {likeness.SOUND_FLOOR_DB}", f"{apart:.2f}"
    )
