"""What one check of one piece found."""

from dataclasses import dataclass, field

OK, MISS, OCTAVE, RATIO, UNJUDGED, UNMEASURED = "ok", "MISS", "octave", "3:2", "-", "no MIDI"
APART_AND_OK = (OK, OCTAVE, RATIO)


@dataclass
class Finding:
    """`measure` names a line of `targets.MEASURES`; `verdict` is one of the words above.

    `count` of `of` is set where a measure is a share of many things (notes) rather than of findings.
    """

    measure: str
    verdict: str
    expected: str = ""
    found: str = ""
    where: str = ""
    count: int = 0
    of: int = 0
    values: dict = field(default_factory=dict)


def judged(measure, good, expected="", found="", where="", **more):
    return Finding(measure, OK if good else MISS, str(expected), str(found), where, **more)
