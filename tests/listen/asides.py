"""How far the measures can be trusted: what they say by chance, and how sharp they are."""

import key
import tempo
from finding import APART_AND_OK, UNJUDGED, UNMEASURED
from motif import THRESHOLD


def of(results):
    found = lambda measure: [
        f
        for result in results
        for f in result["findings"]
        if f.measure == measure and f.verdict not in (UNJUDGED, UNMEASURED)
    ]
    yield from tempo_by_chance(found("tempo"))
    yield from keys_by_chance(found("key heard"), "heard")
    yield from strangers(found("motif"))
    yield from contrast(found("contrast"))
    yield from injected(found("clicks"))


def share(count, of):
    return f"{100 * count / max(1, of):.0f} %"


def tempo_by_chance(findings):
    heard = [f for f in findings if f.values]
    for detector in sorted({name for f in heard for name in f.values["heard"]}):
        words = [tempo.verdict([f.values["heard"][detector]], float(f.expected), f.values["threes"]) for f in heard]
        counts = {word: words.count(word) for word in dict.fromkeys(words)}
        yield f"tempo, {detector} alone: " + ", ".join(f"{word} {count}" for word, count in counts.items())
    pairs = [(a, b) for a in heard for b in heard if abs(float(a.expected) / float(b.expected) - 1) > 0.05]
    lucky = sum(
        tempo.verdict(a.values["heard"].values(), float(b.expected), b.values["threes"]) in APART_AND_OK
        for a, b in pairs
    )
    yield f"tempo by chance: held against the tempo of another prompt, {share(lucky, len(pairs))} would be right or apart"


def keys_by_chance(findings, which):
    named = [f for f in findings if f.values.get("heard")]
    for detector in sorted({name for f in named for name in f.values["heard"]}):
        good = sum(
            key.right(key.parse(f.values["heard"][detector]), key.parse(f.expected), f.values["at_rest"]) for f in named
        )
        yield f"key {which}, {detector} alone: {good} of {len(named)}"
    pairs = [(a, b) for a in named for b in named if key.parse(a.expected) != key.parse(b.expected)]
    lucky = sum(
        any(key.right(key.parse(text), key.parse(b.expected), False) for text in a.values["heard"].values())
        for a, b in pairs
    )
    yield f"key {which} by chance: held against the key of another prompt, {share(lucky, len(pairs))} would be right"


def strangers(findings):
    likes = [like for f in findings for like in f.values.get("strangers", [])]
    if likes:
        over = sum(like >= THRESHOLD for like in likes)
        yield f"motif: {share(over, len(likes))} of {len(likes)} foreign motifs reach the threshold of {THRESHOLD}"


def contrast(findings):
    if findings:
        both = sum(f.values["both"] for f in findings)
        yield f"contrast: in {both} of {len(findings)} every measure agrees with the plan"


def injected(findings):
    put, seen = sum(f.values["injected"] for f in findings), sum(f.values["injected_found"] for f in findings)
    yield f"clicks: of {put} put in at random places, half as high as the RMS, {share(seen, put)} are found"
