"""A rendered piece and what lies beside it."""

import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy
import scipy.signal
import soundfile

import notes


class RenderError(Exception):
    """The program refused or failed; the text is what it said."""


@dataclass
class Piece:
    prompt: dict  # its entry in prompts.toml
    seed: int
    folder: Path

    @property
    def audio_path(self):
        return self.folder / "piece.wav"

    @cached_property
    def manifest(self):
        return json.loads((self.folder / "piece.json").read_text())

    @property
    def plan(self):
        return self.manifest["plan"]

    @cached_property
    def sound(self):
        """Frames by channels, 64-bit."""
        return soundfile.read(self.audio_path, dtype="float64", always_2d=True)[0]

    @property
    def rate(self):
        return self.manifest["audio"]["sample_rate"]

    def mono(self, rate):
        """The sound in one channel at another rate, for detectors that want it so."""
        from librosa import resample

        return resample(self.sound.mean(axis=1).astype(numpy.float32), orig_sr=self.rate, target_sr=rate)

    @cached_property
    def stems(self):
        """Stem group -> file: 01-keys.wav is `keys`."""
        found = {}
        for path in sorted((self.folder / "stems").glob("*.wav")):
            if match := re.fullmatch(r"\d+-(.+)", path.stem):
                found[match[1]] = path
        return found

    @cached_property
    def music(self):
        """What the instruments play. Rain is noise and vinyl crackles: neither says anything of the music."""
        return self.without("textures")

    def without(self, *groups):
        """The finished sound; or, where a stem of these groups must be left out, the sum of the other stems at the gain
        of the master, before its limiter."""
        if not set(groups) & set(self.stems):
            return self.sound
        left = [
            soundfile.read(path, dtype="float64", always_2d=True)[0]
            for group, path in self.stems.items()
            if group not in groups
        ]
        return sum(left, numpy.zeros_like(self.sound)) * 10 ** (self.manifest["loudness"]["gain_db"] / 20)

    @cached_property
    def midi(self):
        """None where the program writes no MIDI."""
        path = self.folder / "piece.mid"
        return notes.read(path) if path.is_file() else None

    @property
    def beats_per_second(self):
        return self.plan["tempo_bpm"] / 60

    @property
    def quarters_per_beat(self):
        """The beat of a plan is the quarter, in 6/8 and 12/8 the dotted quarter."""
        return 1.5 if self.plan["time_signature"] in ("6/8", "12/8") else 1.0

    def digests(self):
        """SHA-256 of the samples of the sound and of every stem, and of the bytes of the MIDI file. The audio files
        themselves carry the time at which they were made."""
        audio = [self.audio_path, *self.stems.values()]
        digests = {
            path.name: hashlib.sha256(soundfile.read(path, dtype="int32")[0].tobytes()).hexdigest() for path in audio
        }
        notes_path = self.folder / "piece.mid"
        if notes_path.is_file():
            digests[notes_path.name] = hashlib.sha256(notes_path.read_bytes()).hexdigest()
        return digests


def command(program, prompt, seed, folder, with_midi):
    line = [
        str(program),
        "generate",
        "--prompt",
        prompt["text"],
        "--seed",
        str(seed),
        "--duration",
        str(prompt["seconds"]),
    ]
    if "without" in prompt:
        line += ["--negative-prompt", prompt["without"]]
    line += ["--engine", "synth", "--threads", "1", "--quiet", "--force"]
    line += ["--output", str(folder / "piece.wav"), "--stems", str(folder / "stems")]
    return line + (["--midi", str(folder / "piece.mid")] if with_midi else [])


def render(program, prompt, seed, folder, with_midi):
    folder.mkdir(parents=True, exist_ok=True)
    line = command(program, prompt, seed, folder, with_midi)
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode != 0:
        raise RenderError(f"{shlex.join(line)}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return Piece(prompt, seed, folder)


def writes_midi(program):
    shown = subprocess.run([program, "generate", "--help"], capture_output=True, text=True, check=True).stdout
    return "--midi" in shown


def other_motifs(program, prompt, seeds):
    """The motifs that the same prompt has with other seeds."""
    motifs = []
    for seed in seeds:
        line = [str(program), "plan", "--json", "--prompt", prompt["text"], "--seed", str(seed)]
        line += ["--duration", str(prompt["seconds"])]
        shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        motifs.append(json.loads(shown)["theme"]["motif"])
    return motifs


def k_weighted(sound, rate):
    """BS.1770 weighting, as pyloudnorm designs it."""
    import pyloudnorm

    weighted = sound
    for stage in pyloudnorm.Meter(rate)._filters.values():
        weighted = scipy.signal.lfilter(stage.b, stage.a, weighted, axis=0)
    return weighted
