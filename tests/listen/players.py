"""Whether those who should play do, and those who should not do not; and whether the plan says what the prompt says."""

import tomllib

import numpy
import soundfile

import key
from environment import HERE
from finding import UNMEASURED, Finding, judged

SILENT_DBFS = -60.0

TABLE = tomllib.loads((HERE / "instruments.toml").read_text())
GROUPS = TABLE["groups"]
GROUP_OF = {instrument: group for group, members in GROUPS.items() for instrument in members}


def members(word):
    """The instruments that an excluded word stands for: an instrument, a group or a layer."""
    if word in TABLE["layers"]:
        return [instrument for group in TABLE["layers"][word] for instrument in GROUPS[group]]
    return GROUPS.get(word, [word]) if word not in GROUP_OF else [word]


def peak_dbfs(path):
    peak = max((numpy.abs(block).max() for block in soundfile.blocks(path, 1 << 18, dtype="float32")), default=0.0)
    return 20 * numpy.log10(max(peak, 1e-10))


def noted(midi):
    """Instruments with notes: the track `piano melody` belongs to `piano`."""
    return {name if name in GROUP_OF else name.rsplit(" ", 1)[0] for name in midi.tracks}


def check(piece):
    yield from obeyed(piece)
    yield from heard(piece)


def heard(piece):
    sounding = {group for group, path in piece.stems.items() if peak_dbfs(path) > SILENT_DBFS}
    playing = noted(piece.midi) if piece.midi is not None else None
    present, excluded = piece.prompt.get("present", []), piece.prompt.get("absent", [])
    for instrument in present:
        group = GROUP_OF[instrument]
        missing = [] if group in sounding else [f"no sound in the stem {group}"]
        if group != "textures" and playing is None:
            yield Finding("present", UNMEASURED, where=instrument)
        elif group != "textures" and instrument not in playing:
            missing.append(f"no notes; there are {', '.join(sorted(playing))}")
        yield judged("present", not missing, instrument, "; ".join(missing))
    for word in excluded:
        unwanted = members(word)
        # A stem may only be asked to be silent where nobody else of its group was named or chosen.
        groups = {GROUP_OF[instrument] for instrument in unwanted}
        empty = {group for group in groups if set(GROUPS[group]) <= set(unwanted)}
        wrong = [f"the stem {group} sounds" for group in sorted(empty & sounding)]
        wrong += [f"{name} is in the plan" for name in unwanted if name in planned(piece.plan)]
        if playing is None:
            yield Finding("absent", UNMEASURED, where=word)
        else:
            wrong += [f"{name} has notes" for name in unwanted if name in playing]
        yield judged("absent", not wrong, f"no {word}", "; ".join(wrong))


def planned(plan):
    return {name for section in plan["sections"] for layer in section["orchestration"].values() for name in layer}


def obeyed(piece):
    """What the prompt's words fix, against the plan."""
    prompt, plan = piece.prompt, piece.plan
    yield judged("plan", plan["style"] == prompt["style"], f"style {prompt['style']}", plan["style"])
    if "tempo" in prompt:
        yield judged(
            "plan",
            abs(plan["tempo_bpm"] - prompt["tempo"]) < 0.01,
            f"{prompt['tempo']} bpm",
            f"{plan['tempo_bpm']:g} bpm",
        )
    if "metre" in prompt:
        yield judged("plan", plan["time_signature"] == prompt["metre"], prompt["metre"], plan["time_signature"])
    if "key" in prompt:
        yield judged("plan", key.parse(plan["key"]) == key.parse(prompt["key"]), prompt["key"], plan["key"])
    listed = {technique["name"] for technique in plan["theme"].get("techniques", [])}
    for technique in prompt.get("techniques", []):
        yield judged("plan", technique in listed, technique, ", ".join(sorted(listed)) or "no technique")
    for word in prompt.get("present", []):
        yield judged("plan", word in planned(plan), f"{word} plays", "not in the plan")
