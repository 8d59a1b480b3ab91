"""Peers run as processes of their own, which print what they found as JSON."""

import json
import os
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """Why something could not be measured, in one line."""


def surroundings(threads: int) -> dict[str, str]:
    """The environment of every measured process: so many threads, no graphics card, no model hub, none of the user's
    own settings of Timbre."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TIMBRE_")}
    return ours | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def last_words(text: str) -> str:
    """The end of what a program said: where it says why it stopped."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def figures(line: list[str | Path], threads: int) -> tuple[dict, float]:
    """Runs a program to its end. Returns the JSON that it printed, and when it was started, by the clock that
    `time.monotonic` reads in every process of the machine."""
    begun = time.monotonic()
    done = subprocess.run(line, env=surroundings(threads), capture_output=True, text=True)
    if done.returncode != 0:
        cause = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise Failed(f"{Path(line[0]).name}, {cause}: {last_words(done.stderr)}")
    try:
        return json.loads(done.stdout), begun
    except ValueError:
        said = last_words(done.stdout + done.stderr)
        raise Failed(f"{Path(line[0]).name} printed no figures: {said}") from None
