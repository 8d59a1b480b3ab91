"""Measures Timbre's MusicGen against its peers, in turns on one machine, with random weights of musicgen-small's size.

    python3 tests/bench/peers                              everything; leave the machine alone meanwhile
    python3 tests/bench/peers --only piece --rounds 1      one row, once
    python3 tests/bench/peers --seconds 2 --rounds 1       whether everything works

Needs Linux and a release build of `timbre`. Makes Python environments, a checkpoint and ONNX files under target/peers,
once. Exit code 0 when everybody was measured, 1 when somebody was not, 2 when nothing could be.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path

import environment
import measurements
import report
import timbre
from process import Failed

ROWS = ["piece", "batch", "codec", "early", "late", "load", "memory"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 tests/bench/peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--program", type=Path, default=environment.ROOT / "target/release/timbre", help="the build to measure"
    )
    parser.add_argument("--only", action="append", choices=ROWS, help="this row only; may be given again")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often everybody is measured (3)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="length of a piece, 1 to 30 (10)")
    parser.add_argument(
        "--pieces", type=int, default=8, metavar="N", help="pieces at once, in the row of that name (8)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads and processors for everybody (all there are)")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="these weights, of any MusicGen in one channel")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round")
    return parser.parse_args()


def confined(threads: int | None) -> int:
    """Keeps this process, and so all that it starts, on as many processors as there are threads."""
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, processors[:threads])
    return len(processors[:threads])


def measure(chosen: list[measurements.Measurement], rounds: int) -> report.Found:
    """Everybody in turn, as many times as there are rounds. Who failed is not asked again."""
    found: report.Found = {}
    for number in range(1, rounds + 1):
        for measurement in chosen:
            who, names = measurement.who, measurement.rows
            if any(isinstance(found.get(name, {}).get(who), str) for name in names):
                continue
            try:
                figures = measurement.run()
            except Failed as failed:
                for name in names:
                    found.setdefault(name, {})[who] = str(failed)
                print(f"round {number}/{rounds} {who}: {failed}", file=sys.stderr)
                continue
            for name in names:
                found.setdefault(name, {}).setdefault(who, []).append(figures[name])
            shown = ", ".join(f"{name} {figures[name]:.6g}" for name in names)
            print(f"round {number}/{rounds} {who}: {shown}", file=sys.stderr)
    return found


def machine(threads: int) -> dict:
    """Where and when this was measured."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return {
        "processor": model,
        "threads": threads,
        "load": os.getloadavg()[0],
        "begun": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def main() -> int:
    given = options()
    if not given.program.is_file():
        print(f"{given.program} is not there: cargo build --release", file=sys.stderr)
        return 2
    try:
        weights = given.checkpoint or environment.checkpoint()
        threads = confined(given.threads)
        setting = measurements.Setting(given.program.resolve(), weights.resolve(), threads, given.seconds, given.pieces)
        default = timbre.default_dtype(setting.program, setting.checkpoint)
        everything = measurements.all_of(setting)
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 2
    wanted = set(given.only or ROWS)
    chosen = [measurement for measurement in everything if wanted & set(measurement.rows)]
    where = machine(threads)
    print(
        f"{where['processor']}, {threads} threads, load {where['load']:.1f} at the start, {where['begun']}",
        file=sys.stderr,
    )
    found = measure(chosen, given.rounds)
    rows = {name: row for name, row in measurements.rows(setting).items() if name in wanted}
    print("\n".join(report.table(rows, found, default)))
    if given.json:
        given.json.write_text(
            json.dumps({"machine": where, "settings": vars(given), "found": found}, indent=1, default=str)
        )
    return 1 if any(isinstance(figures, str) for row in found.values() for figures in row.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
