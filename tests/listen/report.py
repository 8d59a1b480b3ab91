"""What was found, for people and for programs."""

import json

from finding import MISS, OCTAVE, OK, RATIO, UNJUDGED, UNMEASURED
from targets import MEASURES

APART = (OCTAVE, RATIO)

COLUMNS = [  # heading, measure, width
    ("plan", "plan", 6),
    ("tempo", "tempo", 7),
    ("metre", "metre", 7),
    ("key heard", "key heard", 10),
    ("written", "key written", 8),
    ("scale", "scale", 8),
    ("present", "present", 8),
    ("absent", "absent", 7),
    ("motif", "motif", 8),
    ("contrast", "contrast", 9),
    ("LUFS", "loudness", 6),
    ("peak", "true peak", 6),
    ("clicks", "clicks", 7),
    ("holes", "silence", 6),
    ("DC", "offset", 5),
    ("stereo", "stereo", 7),
    ("slope", "slope", 6),
    ("crest", "crest", 6),
    ("seeds", "seeds", 6),
    ("repeat", "repeat", 6),
]


def cell(findings):
    """One word for all findings of a measure in a piece."""
    verdicts = [finding.verdict for finding in findings]
    judged = [verdict for verdict in verdicts if verdict not in (UNJUDGED, UNMEASURED)]
    if not judged:
        return UNMEASURED if UNMEASURED in verdicts else "-"
    missed = judged.count(MISS)
    if missed and len(judged) > 1:
        return f"{missed}/{len(judged)} MISS"[:8].strip() if len(judged) < 10 else f"{missed} MISS"
    return judged[0] if len(judged) == 1 or missed else OK


def table(results):
    yield "style         " + "".join(f"{heading:{width + 1}}" for heading, _, width in COLUMNS)
    yield "-" * 13 + " " + "".join("-" * width + " " for _, _, width in COLUMNS)
    for result in results:
        found = result["findings"]
        cells = (cell([f for f in found if f.measure == measure]) for _, measure, _ in COLUMNS)
        yield f"{result['style']:13} " + "".join(f"{text:{width}} " for text, (_, _, width) in zip(cells, COLUMNS))


def totals(results):
    """Per measure: how many were judged, met, apart, and whether the target is reached."""
    rows = {}
    for measure, (target, _) in MEASURES.items():
        found = [f for result in results for f in result["findings"] if f.measure == measure]
        judged = [f for f in found if f.verdict not in (UNJUDGED, UNMEASURED)]
        unmeasured = sum(f.verdict == UNMEASURED for f in found)
        apart = sum(f.verdict in APART for f in judged)
        met, of = sum(f.verdict in (OK, *APART) for f in judged), len(judged)
        if any(f.of for f in judged):
            met, of = sum(f.count for f in judged), sum(f.of for f in judged)
        share = met / of if of else None
        good = share is not None and share >= target and not unmeasured
        rows[measure] = {
            "target": target,
            "judged": of,
            "met": met,
            "apart": apart,
            "share": share,
            "not_judged": sum(f.verdict == UNJUDGED for f in found),
            "unmeasured": unmeasured,
            "reached": good,
        }
    return rows


def summary(rows, asides):
    yield f"{'measure':12} {'target':>7} {'met':>6} {'of':>6} {'share':>7}  {'verdict':12} what it is"
    yield "-" * 120
    for measure, row in rows.items():
        share = f"{100 * row['share']:.1f} %" if row["share"] is not None else "-"
        verdict = (
            "reached"
            if row["reached"]
            else "no MIDI"
            if row["unmeasured"]
            else "not judged"
            if not row["judged"]
            else "MISSED"
        )
        words = MEASURES[measure][1]
        if row["apart"]:
            words += f"; {row['apart']} of those met are octave or 3:2 errors"
        if row["not_judged"]:
            words += f"; {row['not_judged']} not judged"
        counts = f"{100 * row['target']:5.0f} % {row['met']:6} {row['judged']:6} {share:>7}"
        yield f"{measure:12} {counts}  {verdict:12} {words}"
    yield ""
    yield from asides


def failures(results):
    for result in results:
        missed = [f for f in result["findings"] if f.verdict == MISS]
        if missed:
            yield f"\n{result['style']}, seed {result['seed']}: {result['text']}"
        for finding in missed:
            place = f" in {finding.where}" if finding.where else ""
            yield f"  {finding.measure}{place}: expected {finding.expected or '-'}; found {finding.found or '-'}"


def as_json(results, rows, asides):
    plain = [result | {"findings": [vars(finding) for finding in result["findings"]]} for result in results]
    return json.dumps({"totals": rows, "asides": asides, "pieces": plain}, indent=1, default=float)
