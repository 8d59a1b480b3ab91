"""The notes of a standard MIDI file, in seconds and in beats of the plan."""

from dataclasses import dataclass

import mido
import numpy

DRUMS = 9  # Channel 10, counted from 0.


@dataclass(frozen=True)
class Note:
    start: float  # seconds
    end: float  # seconds
    quarter: float  # quarter notes from the start of the file
    pitch: int
    channel: int


@dataclass
class Midi:
    type: int
    quarter_bpm: float  # the first tempo of the file
    metres: list  # every metre it states, as "6/8"
    key: str | None  # as mido writes it: "F#m"
    markers: list  # (seconds, text)
    tracks: dict  # name -> [Note], silent tracks left out

    def melodies(self):
        return {name: notes for name, notes in self.tracks.items() if name.endswith("melody")}

    def pitched(self):
        return [note for notes in self.tracks.values() for note in notes if note.channel != DRUMS]

    def all(self):
        return [note for notes in self.tracks.values() for note in notes]


def read(path):
    file = mido.MidiFile(str(path))
    clock = Clock(file)
    midi = Midi(file.type, clock.first_bpm(), [], None, [], {})
    for track in file.tracks:
        name, tick, open_notes, notes = track.name, 0, {}, []
        for message in track:
            tick += message.time
            if message.type == "time_signature":
                midi.metres.append(f"{message.numerator}/{message.denominator}")
            elif message.type == "key_signature" and midi.key is None:
                midi.key = message.key
            elif message.type == "marker":
                midi.markers.append((clock.seconds(tick), message.text))
            elif message.type == "note_on" and message.velocity > 0:
                open_notes.setdefault((message.channel, message.note), []).append(tick)
            elif message.type in ("note_off", "note_on"):
                begun = open_notes.get((message.channel, message.note))
                if begun:
                    start = begun.pop(0)
                    ends = clock.seconds(tick)
                    notes.append(
                        Note(clock.seconds(start), ends, start / file.ticks_per_beat, message.note, message.channel)
                    )
        if notes:
            midi.tracks.setdefault(name, []).extend(sorted(notes, key=lambda note: (note.start, note.pitch)))
    return midi


class Clock:
    """Ticks to seconds, through every change of tempo."""

    def __init__(self, file):
        changes = {0: 500_000}
        for track in file.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "set_tempo":
                    changes[tick] = message.tempo
        self.ticks = numpy.array(sorted(changes))
        self.per_tick = numpy.array([changes[tick] for tick in self.ticks]) / 1e6 / file.ticks_per_beat
        self.at = numpy.concatenate([[0.0], numpy.cumsum(numpy.diff(self.ticks) * self.per_tick[:-1])])
        self.ticks_per_quarter = file.ticks_per_beat

    def seconds(self, tick):
        index = numpy.searchsorted(self.ticks, tick, side="right") - 1
        return float(self.at[index] + (tick - self.ticks[index]) * self.per_tick[index])

    def first_bpm(self):
        return 60.0 / (self.per_tick[0] * self.ticks_per_quarter)


def top_line(notes, apart=0.03):
    """One note at a time: of notes that start within `apart` seconds the highest."""
    line = []
    for note in sorted(notes, key=lambda note: note.start):
        if line and note.start - line[-1].start < apart:
            if note.pitch > line[-1].pitch:
                line[-1] = note
        else:
            line.append(note)
    return line
