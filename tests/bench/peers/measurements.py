"""Who is measured in what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import environment
import terms
import timbre
from environment import HERE
from process import figures

OURS = "Timbre"  # with its default dtype: what the others are compared with


@dataclass(frozen=True)
class Setting:
    """What is the same for everybody."""

    program: Path
    checkpoint: Path
    threads: int
    seconds: float
    pieces: int


@dataclass(frozen=True)
class Row:
    """A row of the table. `shown` turns what was measured, the better the smaller it is, into the figure there."""

    title: str
    unit: str
    shown: Callable[[float], float] = lambda measured: measured


@dataclass(frozen=True)
class Measurement:
    """One run of one peer, which finds a figure for each of `rows`."""

    who: str
    rows: tuple[str, ...]
    run: Callable[[], dict[str, float]]


def rows(setting: Setting) -> dict[str, Row]:
    seconds, sound = setting.seconds, setting.seconds * setting.pieces
    return {
        "piece": Row(f"one piece of {seconds:g} s, end to end", "s"),
        "batch": Row(
            f"{setting.pieces} pieces of {seconds:g} s at once", "s of music per s", lambda took: sound / took
        ),
        "codec": Row(f"codec, decoding of {terms.CODEC_SECONDS:g} s", "s"),
        "early": Row(f"a step behind {terms.EARLY} frames", "ms", lambda took: 1000 * took),
        "late": Row(f"a step behind {terms.LATE} frames", "ms", lambda took: 1000 * took),
        "load": Row("from start to first frame, files in memory", "s"),
        "memory": Row("most memory while making the piece", "MiB", lambda taken: taken / 2**20),
    }


def of_transformers(setting: Setting) -> Iterator[Measurement]:
    def run(measure: str, dtype: str, *more: object) -> tuple[dict, float]:
        line = [environment.with_torch(), HERE / "with_transformers.py", measure, "--dtype", dtype]
        line += ["--checkpoint", setting.checkpoint, *map(str, more)]
        return figures(line, setting.threads)

    def piece(dtype: str) -> dict:
        found, _ = run("piece", dtype, "--seconds", setting.seconds)
        return {"piece": found["seconds"], "memory": found["peak_bytes"]}

    def batch(dtype: str) -> dict:
        found, _ = run("piece", dtype, "--seconds", setting.seconds, "--pieces", setting.pieces)
        return {"batch": found["seconds"]}

    def codec(dtype: str) -> dict:
        return {"codec": run("codec", dtype)[0]["seconds"]}

    def step(dtype: str) -> dict:
        found, _ = run("step", dtype)
        return {"early": found[str(terms.EARLY)], "late": found[str(terms.LATE)]}

    def load(dtype: str) -> dict:
        run("load", dtype)
        found, begun = run("load", dtype)
        return {"load": found["first_frame"] - begun}

    for dtype in ("f32", "bf16"):
        who = f"transformers {dtype}"
        yield Measurement(who, ("piece", "memory"), lambda dtype=dtype: piece(dtype))
        yield Measurement(who, ("codec",), lambda dtype=dtype: codec(dtype))
    who = "transformers bf16"
    yield Measurement(who, ("batch",), lambda: batch("bf16"))
    yield Measurement(who, ("early", "late"), lambda: step("bf16"))
    yield Measurement(who, ("load",), lambda: load("bf16"))


def of_onnx(setting: Setting) -> Iterator[Measurement]:
    def run(measure: str, *more: object) -> tuple[dict, float]:
        models = environment.onnx(setting.checkpoint)
        line = [environment.with_onnx(), HERE / "with_onnx.py", measure, "--models", models]
        line += ["--checkpoint", setting.checkpoint, "--threads", str(setting.threads), *map(str, more)]
        return figures(line, setting.threads)

    def piece() -> dict:
        found, _ = run("piece", "--seconds", setting.seconds)
        return {"piece": found["seconds"], "memory": found["peak_bytes"]}

    def step() -> dict:
        found, _ = run("step")
        return {"early": found[str(terms.EARLY)], "late": found[str(terms.LATE)]}

    def load() -> dict:
        run("load")
        found, begun = run("load")
        return {"load": found["first_frame"] - begun}

    who = "ONNX Runtime int8"
    yield Measurement(who, ("piece", "memory"), piece)
    yield Measurement("ONNX Runtime f32", ("codec",), lambda: {"codec": run("codec")[0]["seconds"]})
    yield Measurement(who, ("early", "late"), step)
    yield Measurement(who, ("load",), load)


def of_timbre(setting: Setting) -> Iterator[Measurement]:
    default = timbre.default_dtype(setting.program, setting.checkpoint)

    def server(dtype: str, workers: int = 1) -> timbre.Server:
        return timbre.Server(setting.program, setting.checkpoint, setting.threads, dtype, workers)

    def piece(dtype: str) -> dict:
        with server(dtype) as asked:
            return {"piece": asked.pieces(setting.seconds), "memory": asked.peak()}

    def batch() -> dict:
        with server(default, workers=setting.pieces) as asked:
            return {"batch": asked.pieces(setting.seconds, setting.pieces)}

    def bench(dtype: str) -> dict:
        found = timbre.bench(setting.program, setting.threads, dtype)
        return {
            "codec": found["codec_real_time_factor"] * terms.CODEC_SECONDS,
            "early": found["early_step_seconds"],
            "late": found["late_step_seconds"],
        }

    def load() -> dict:
        for _ in range(2):
            with server(default) as asked:
                took = asked.first_frame()
        return {"load": took}

    yield Measurement(OURS, ("piece", "memory"), lambda: piece(default))
    for dtype in ("f32", "q8_0", "q6_0", "q4_0"):
        if dtype != default:
            yield Measurement(f"{OURS} {dtype}", ("piece", "memory"), lambda dtype=dtype: piece(dtype))
    yield Measurement(OURS, ("batch",), batch)
    yield Measurement(OURS, ("codec", "early", "late"), lambda: bench(default))
    yield Measurement(OURS, ("load",), load)


def all_of(setting: Setting) -> list[Measurement]:
    return [*of_transformers(setting), *of_onnx(setting), *of_timbre(setting)]
