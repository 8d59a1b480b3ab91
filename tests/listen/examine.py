"""One prompt: rendered, measured, tidied away."""

import shutil
import time
import tomllib

import key
import likeness
import motif
import piece as pieces
import players
import sections
import sound
import tempo
from environment import HERE, WORK
from finding import MISS, Finding

FOREIGN_SEEDS = range(9001, 9021)


def family_of(style):
    ranges = tomllib.loads((HERE / "ranges.toml").read_text())
    return next(family for family in ranges.values() if style in family["styles"])


def measure(work):
    number, prompt, settings = work
    folder = WORK / "pieces" / f"{number:02}-{prompt['style']}"
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    result = {
        "number": number,
        "style": prompt["style"],
        "text": prompt["text"],
        "seed": prompt["seed"],
        "findings": [],
    }
    try:
        result["findings"] = list(judge(prompt, folder, settings))
    except Exception as error:  # One piece that cannot be measured is a finding, not the end of the run.
        result["findings"].append(
            Finding("plan", MISS, "a piece that can be measured", f"{type(error).__name__}: {error}")
        )
    result["seconds"] = round(time.monotonic() - began, 1)
    if not settings["keep"]:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def judge(prompt, folder, settings):
    program, with_midi = settings["program"], settings["midi"]
    family = family_of(prompt["style"])
    render = lambda seed, name: pieces.render(program, prompt, seed, folder / name, with_midi)
    piece = render(prompt["seed"], "first")
    foreign = pieces.other_motifs(program, prompt, FOREIGN_SEEDS) if with_midi else []
    yield from players.check(piece)
    yield from tempo.check(piece, family)
    yield from key.check(piece, family)
    yield from motif.check(piece, foreign)
    yield from sections.check(piece)
    yield from sound.check(piece, family)
    if prompt.get("twice"):
        yield from likeness.check(piece, render(prompt["seed"], "again"), render(prompt["seed"] + 5000, "other"))
    if settings["pictures"]:
        import pictures

        pictures.draw(piece, settings["pictures"] / f"{folder.name}.png")
