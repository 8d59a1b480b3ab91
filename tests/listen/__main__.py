"""Listens to what Timbre makes of some sixty prompts, and compares it with what they ask for.

    python3 tests/listen                  everything, about six minutes on two idle cores
    python3 tests/listen --only jazz      one style; may be given again
    python3 tests/listen --self-test      the detectors, on signals whose answer is known

Needs a release build of `timbre`. Makes its own virtual environment under target/listen. Exit code 0 when every
target is reached, 1 when one is missed, 2 when nothing could be measured.
"""

import environment

environment.enter()

import argparse
import multiprocessing
import sys
import tomllib
from pathlib import Path

import asides
import examine
import piece as pieces
import report
import second_opinion
import selftest


def options():
    parser = argparse.ArgumentParser(
        prog="python3 tests/listen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--program", type=Path, default=environment.ROOT / "target/release/timbre", help="the build to listen to"
    )
    parser.add_argument("--only", action="append", metavar="STYLE", help="prompts of this style only")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N prompts only")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="pieces measured at a time (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw every piece")
    parser.add_argument("--keep", action="store_true", help="keep sound, stems and MIDI under target/listen/pieces")
    parser.add_argument("--self-test", action="store_true", help="check the detectors on known signals and stop")
    return parser.parse_args()


def main():
    given = options()
    if given.self_test:
        return 0 if selftest.run() else 1
    if not given.program.is_file():
        print(f"{given.program} is not there: cargo build --release", file=sys.stderr)
        return 2
    prompts = tomllib.loads((environment.HERE / "prompts.toml").read_text())["prompt"]
    chosen = [(n, p) for n, p in enumerate(prompts, 1) if not given.only or p["style"] in given.only][: given.limit]
    if not chosen:
        print(f"no prompt of style {', '.join(given.only or [])}", file=sys.stderr)
        return 2
    settings = {
        "program": given.program.resolve(),
        "midi": pieces.writes_midi(given.program),
        "pictures": given.pictures,
        "keep": given.keep,
    }
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    if not settings["midi"]:
        print("this build writes no MIDI: what is judged by notes is not measured, and counts as missed")
    if not second_opinion.AVAILABLE:
        print("essentia is missing: tempo and key are judged by librosa alone")
    results = []
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for result in pool.imap_unordered(examine.measure, [(number, prompt, settings) for number, prompt in chosen]):
            results.append(result)
            print(f"{len(results)}/{len(chosen)} {result['style']} ({result['seconds']:.0f} s)", file=sys.stderr)
    results.sort(key=lambda result: result["number"])
    rows, remarks = report.totals(results), list(asides.of(results))
    print("\n".join([*report.table(results), "", *report.summary(rows, remarks), *report.failures(results)]))
    if given.json:
        given.json.write_text(report.as_json(results, rows, remarks))
    return 0 if all(row["reached"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
