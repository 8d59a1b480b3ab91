#!/usr/bin/env python3
"""Asks other programs what they make of Timbre's audio files, and compares their answers with the manifests.

    python3 tests/players/check.py piece.wav other.flac stems/

Needs sox, ffprobe and the Python packages soundfile and numpy. The manifest of `piece.wav` is `piece.json`, or
`manifest.json` in the same directory; a directory stands for the stems of the manifest beside it that names them.
Prints a table of what each reader says. Exit code 1 when a reader disagrees with the manifest or cannot read a file.
"""

import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import soundfile

BITS = {"16": 16, "24": 24, "32f": 32}
# What sox says of every extensible header with floats, libsndfile's included: it looks for the extension twice.
HARMLESS = "sox WARN wav: wave header missing extended part of fmt chunk"
FIELDS = ["rate", "channels", "frames", "bits", "title", "marks"]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    complaint = done.stderr.replace(HARMLESS, "").strip()
    if complaint:
        raise RuntimeError(f"{command[0]} complains: {complaint}")
    return done.stdout


def sox(path):
    ask = lambda option: run("sox", "--info", option, str(path)).strip()
    comments = dict(line.split("=", 1) for line in ask("-a").splitlines() if "=" in line)
    found = {"rate": int(ask("-r")), "channels": int(ask("-c")), "frames": int(ask("-s")), "bits": int(ask("-b"))}
    if "Title" in comments or "TITLE" in comments:
        found["title"] = comments.get("Title", comments.get("TITLE"))
    return found


def ffprobe(path):
    shown = ["-show_format", "-show_streams", "-show_chapters", "-count_packets"]
    answer = json.loads(run("ffprobe", "-v", "warning", "-of", "json", *shown, str(path)))
    stream = answer["streams"][0]
    tags = {key.lower(): value for key, value in answer["format"].get("tags", {}).items()}
    rate = int(stream["sample_rate"])
    found = {
        "rate": rate,
        "channels": stream["channels"],
        "frames": stream["duration_ts"],
        "bits": int(stream.get("bits_per_raw_sample") or stream["bits_per_sample"]),
        "title": tags.get("title"),
    }
    if answer["chapters"]:
        found["marks"] = [(c["tags"]["title"], round(float(c["start_time"]), 3)) for c in answer["chapters"]]
    return found


def libsndfile(path):
    info = soundfile.info(str(path), verbose=True)
    with soundfile.SoundFile(str(path)) as file:
        title = file.copy_metadata().get("title")
        samples = file.read(dtype="float64", always_2d=True)
    if not numpy.isfinite(samples).all():
        raise RuntimeError("there are samples that are no numbers")
    bits = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}[info.subtype]
    return {"rate": info.samplerate, "channels": info.channels, "frames": len(samples), "bits": bits, "title": title}


def chunks(data):
    while data:
        name, size = data[:4], struct.unpack("<I", data[4:8])[0]
        if len(data) < 8 + size:
            raise RuntimeError(f"chunk {name} ends after the file")
        yield name, data[8 : 8 + size]
        data = data[8 + size + size % 2 :]


def riff(path):
    """The marks and the title, read by the letter of the RIFF standard."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or struct.unpack("<I", data[4:8])[0] != len(data) - 8:
        raise RuntimeError("the RIFF size is not that of the file")
    positions, labels, title, rate = {}, {}, None, None
    for name, body in chunks(data[12:]):
        if name == b"fmt ":
            rate = struct.unpack("<I", body[4:8])[0]
        if name == b"cue ":
            for at in range(4, len(body), 24):
                number, _, fourcc, _, _, frame = struct.unpack("<II4sIII", body[at : at + 24])
                positions[number] = frame
        if name == b"LIST" and body[:4] == b"adtl":
            for _, label in chunks(body[4:]):
                labels[struct.unpack("<I", label[:4])[0]] = label[4:].rstrip(b"\0").decode()
        if name == b"LIST" and body[:4] == b"INFO":
            title = dict(chunks(body[4:])).get(b"INAM", b"").rstrip(b"\0").decode()
    marks = [(labels[number], round(frame / rate, 3)) for number, frame in sorted(positions.items())]
    return {"rate": rate, "title": title, "marks": marks}


def flac_test(path):
    """The reference decoder's own test: it compares the decoded samples with the digest in the file."""
    run("flac", "--silent", "--test", str(path))
    return {"rate": int(run("metaflac", "--show-sample-rate", str(path))),
            "frames": int(run("metaflac", "--show-total-samples", str(path))),
            "channels": int(run("metaflac", "--show-channels", str(path))),
            "bits": int(run("metaflac", "--show-bps", str(path)))}


def expected(manifest, audio):
    marks = [(mark["label"], round(mark["start_seconds"], 3)) for mark in manifest["sections"]]
    return {
        "rate": audio["sample_rate"],
        "channels": audio["channels"],
        "frames": audio["frames"],
        "bits": BITS[audio["bit_depth"]],
        "title": manifest["plan"]["title"],
        "marks": marks,
    }


def check(path, want, sha256):
    readers = {"sox": sox, "ffprobe": ffprobe, "soundfile": libsndfile}
    readers |= {"riff": riff} if path.suffix == ".wav" else {"flac -t": flac_test}
    faults = []
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        faults.append("sha256 is not the manifest's")
    print(f"\n{path}")
    row("", FIELDS)
    row("manifest", [want[field] for field in FIELDS])
    for name, reader in readers.items():
        try:
            found = reader(path)
        except (RuntimeError, OSError, KeyError, subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
            faults.append(f"{name}: {getattr(error, 'stderr', None) or error}")
            continue
        row(name, [found.get(field, "-") for field in FIELDS])
        wrong = [field for field in found if not same(field, found[field], want[field])]
        faults += [f"{name} says {field} {found[field]}, the manifest {want[field]}" for field in wrong]
    for fault in faults:
        print(f"  FAULT {fault}")
    return not faults


def same(field, found, want):
    if field != "marks":
        return found == want
    near = lambda a, b: a[0] == b[0] and abs(a[1] - b[1]) < 0.002
    return len(found) == len(want) and all(near(a, b) for a, b in zip(found, want))


def row(name, values):
    marks = values[-1]
    if isinstance(marks, list):
        marks = ", ".join(f"{label} {seconds:g}" for label, seconds in marks)
    shown = [str(value) for value in values[:-1]] + [str(marks)]
    widths = [7, 9, 10, 5, 34, 0]
    print(f"  {name:10}" + " ".join(f"{text:{width}}" for text, width in zip(shown, widths)))


def manifest_of(path):
    for beside in [path.with_suffix(".json"), path.with_name("manifest.json")]:
        if beside.is_file():
            return json.loads(beside.read_text())
    sys.exit(f"{path}: no manifest beside it; write one as {path.with_suffix('.json')}")


def stems_of(directory):
    """The manifest beside a directory whose stems are the files in it, and where each lies."""
    for beside in sorted(directory.resolve().parent.glob("*.json")):
        manifest = json.loads(beside.read_text())
        files = [directory / stem["file"] for stem in manifest.get("stems", [])]
        if files and all(f.is_file() and hashlib.sha256(f.read_bytes()).hexdigest() == s["sha256"]
                         for f, s in zip(files, manifest["stems"])):
            return manifest
    sys.exit(f"{directory}: no manifest beside it names its files with their digests")


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    good = True
    for path in map(Path, arguments):
        if path.suffix == ".zip":
            target = path.with_suffix("")
            zipfile.ZipFile(path).extractall(target)
            path = target
        if path.is_dir():
            manifest = stems_of(path)
            for stem in manifest["stems"]:
                want = expected(manifest, manifest["audio"] | {"bit_depth": "32f"})
                want["title"] = f"{manifest['plan']['title']} ({stem['name']})"
                good &= check(path / stem["file"], want, stem["sha256"])
        else:
            manifest = manifest_of(path)
            good &= check(path, expected(manifest, manifest["audio"]), manifest["audio"]["sha256"])
    print("\nevery reader agrees" if good else "\nsome readers disagree")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
