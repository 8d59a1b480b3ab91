"""Timbre, asked as anyone asks it: by its HTTP API, and by `timbre bench`."""

import http.client
import itertools
import json
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import memory
import terms
from process import Failed, figures, last_words, surroundings

POLL_SECONDS = 0.05  # until a job is done
FIRST_POLL_SECONDS = 0.01  # until a piece has begun
PATIENCE_SECONDS = 60.0  # for the server to listen


class Server:
    """`timbre serve` with a model, for as long as the context lasts. It is killed at the end."""

    def __init__(self, program: Path, checkpoint: Path, threads: int, dtype: str, workers: int = 1):
        self.line = [program, "serve", "--port", "0", "--device", "cpu", "--threads", str(threads), "--dtype", dtype]
        self.line += ["--workers", str(workers), "--default-model", checkpoint]
        self.threads, self.dtype = threads, dtype
        self.said: list[str] = []
        self.seeds = itertools.count(1)

    def __enter__(self) -> "Server":
        self.folder = tempfile.TemporaryDirectory(prefix="timbre-peers-")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [*self.line, "--artifact-dir", self.folder.name],
            env=surroundings(self.threads), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        listening = threading.Event()
        self.ears = threading.Thread(target=self.hear, args=[listening], daemon=True)
        self.ears.start()
        if not listening.wait(PATIENCE_SECONDS) or self.process.poll() is not None:
            self.__exit__()
            raise Failed(f"timbre serve: {last_words(''.join(self.said))}")
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.ears.join()
        self.folder.cleanup()

    def hear(self, listening: threading.Event) -> None:
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"http://([\d.]+):(\d+)", line):
                self.wire = http.client.HTTPConnection(found[1], int(found[2]), timeout=PATIENCE_SECONDS)
                listening.set()
        listening.set()

    def ask(self, method: str, path: str, body: dict | None = None) -> bytes:
        try:
            self.wire.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
            answer = self.wire.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"timbre serve: {error}; {last_words(''.join(self.said))}") from None
        if answer.status >= 400:
            raise Failed(f"{method} {path}: {answer.status} {json.loads(content).get('detail')}")
        return content

    def request(self, seconds: float) -> dict:
        """A piece in one section that gives the model the prompt word for word, as `timbre generate --single` asks for
        it. Each has a seed of its own."""
        request = {
            "prompt": terms.PROMPT,
            "duration_seconds": seconds,
            "seed": next(self.seeds),
            "engine": "musicgen",
            "sampling": {"guidance": terms.GUIDANCE, "top_k": terms.TOP_K},
        }
        plan = json.loads(self.ask("POST", "/plan", request))
        section = plan["sections"][0] | {"prompt": terms.PROMPT, "bars": plan["total_bars"]}
        plan["sections"] = [section | {"transition": {"kind": "cut", "beats": 0}}]
        plan["theme"]["dynamic_curve"] = []
        return request | {"plan": plan}

    def submit(self, request: dict) -> str:
        return json.loads(self.ask("POST", "/generate", request))["job_id"]

    def status(self, job: str) -> dict:
        status = json.loads(self.ask("GET", f"/status/{job}"))
        if status["state"] in ("failed", "cancelled"):
            raise Failed(f"job {status['state']}: {status['message']}")
        return status

    def wait(self, jobs: list[str]) -> None:
        for job in jobs:
            while self.status(job)["state"] != "succeeded":
                time.sleep(POLL_SECONDS)

    def check(self, job: str, seconds: float) -> None:
        """That the job's file holds as much sound as was asked for, made by the engine and with the dtype that were."""
        made_by = json.loads(self.ask("GET", f"/artifact/{job}"))["provenance"]
        if (made_by["engine"], made_by["dtype"]) != ("musicgen", self.dtype):
            raise Failed(f"played by {made_by['engine']} in {made_by['dtype']} instead of musicgen in {self.dtype}")
        frames, rate, silent = examine(self.ask("GET", f"/artifact/{job}/audio"))
        if frames != round(seconds * rate):
            raise Failed(f"the file has {frames} frames at {rate} Hz, but {seconds} s were asked for")
        if silent:
            raise Failed("the file is silent")

    def peak(self) -> int:
        """Bytes of memory that the server took at most so far."""
        return memory.peak(self.process.pid)

    def pieces(self, seconds: float, count: int = 1) -> float:
        """Seconds from the first request until all files are finished, behind a short piece that loads the model."""
        self.wait([self.submit(self.request(terms.WARM_UP_SECONDS))])
        requests = [self.request(seconds) for _ in range(count)]
        begun = time.monotonic()
        jobs = [self.submit(request) for request in requests]
        self.wait(jobs)
        took = time.monotonic() - begun
        for job in jobs:
            self.check(job, seconds)
        return took

    def first_frame(self) -> float:
        """Seconds from the start of the process until a piece has its first frame, which a status shows."""
        job = self.submit(self.request(terms.WARM_UP_SECONDS))
        while not any(section["progress"] > 0 for section in self.status(job)["sections"]):
            time.sleep(FIRST_POLL_SECONDS)
        return time.monotonic() - self.begun


def examine(wav: bytes) -> tuple[int, int, bool]:
    """Frames and rate of a WAV file, and whether all of its samples are zero."""
    chunks, at = {}, 12
    while at + 8 <= len(wav):
        size = int.from_bytes(wav[at + 4 : at + 8], "little")
        chunks[wav[at : at + 4]] = wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE" or not {b"fmt ", b"data"} <= chunks.keys():
        raise Failed("the audio is no WAV file")
    rate = int.from_bytes(chunks[b"fmt "][4:8], "little")
    frame = int.from_bytes(chunks[b"fmt "][12:14], "little")
    return len(chunks[b"data"]) // frame, rate, not any(chunks[b"data"])


def default_dtype(program: Path, checkpoint: Path) -> str:
    """How Timbre keeps the model's matrices on this processor when it is not told."""
    line = [program, "engines", "--json", "--device", "cpu", "--default-model", checkpoint]
    engines = {engine["name"]: engine for engine in figures(line, threads=1)[0]["engines"]}
    if not engines["musicgen"]["available"]:
        raise Failed(f"{program} cannot play {checkpoint}: {engines['musicgen']['reason']}")
    return engines["musicgen"]["dtype"]


def bench(program: Path, threads: int, dtype: str) -> dict:
    """What `timbre bench` finds."""
    line = [program, "bench", "--json", "--quiet", "--device", "cpu", "--threads", str(threads), "--dtype", dtype]
    found, _ = figures(line, threads)
    if (found["early_frame"], found["late_frame"]) != (terms.EARLY, terms.LATE):
        raise Failed(f"it measures behind {found['early_frame']} and {found['late_frame']} frames, unlike terms.py")
    return found
