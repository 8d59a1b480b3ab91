"""One measurement of MusicGen in ONNX Runtime, put together as MusicGPT does it; prints JSON.

    python with_onnx.py piece|codec|step|load|loss --models DIR --checkpoint DIR --threads N [--seconds S]

The decoder runs in two parts, the first step and those with a past; guidance doubles the batch, the second half without
text. Keys and values stay in the runtime's own memory between the steps. Neither torch nor transformers is loaded."""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import memory
import terms

STATES, MASK = "encoder_hidden_states", "encoder_attention_mask"
RATE, HOP = 50, 640  # frames per second, samples per frame


def value(array: np.ndarray) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


class Peer:
    """Opens the sessions as they are asked for; `load` opens all."""

    def __init__(self, models: Path, checkpoint: Path, threads: int):
        self.models, self.checkpoint, self.threads = models, checkpoint, threads
        self.random = np.random.default_rng(1)
        decoder = json.loads((checkpoint / "config.json").read_text())["decoder"]
        self.codebooks, self.start = decoder["num_codebooks"], decoder["pad_token_id"]
        self.heads = decoder["num_attention_heads"]
        self.width = decoder["hidden_size"] // self.heads
        self.ids = Tokenizer.from_file(str(checkpoint / "tokenizer.json")).encode(terms.PROMPT).ids

    def open(self, name: str) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        return ort.InferenceSession(self.models / f"{name}.onnx", options, providers=["CPUExecutionProvider"])

    def open_all(self) -> None:
        self.text, self.first = self.open("text_encoder"), self.open("decoder_model")
        self.later, self.decode = self.open("decoder_with_past_model"), self.open("encodec_decode")
        self.outputs = [output.name for output in self.later.get_outputs()]

    def column(self, tokens: np.ndarray) -> ort.OrtValue:
        """A column for both halves of the batch."""
        return value(np.tile(tokens, 2)[:, None])

    def sample(self, logits: ort.OrtValue) -> np.ndarray:
        """A token of every codebook, among the likeliest."""
        rows = logits.numpy()[:, -1]
        with_text, without = rows[: self.codebooks], rows[self.codebooks :]
        guided = without + (with_text - without) * terms.GUIDANCE
        best = np.argpartition(guided, -terms.TOP_K, axis=1)[:, -terms.TOP_K :]
        scores = np.take_along_axis(guided, best, axis=1)
        sums = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
        drawn = (sums < self.random.random((self.codebooks, 1)) * sums[:, -1:]).sum(axis=1)
        return np.take_along_axis(best, drawn[:, None], axis=1)[:, 0]

    def begin(self) -> tuple[np.ndarray, dict[str, ort.OrtValue]]:
        """The first tokens, and what every later step is given."""
        ids = np.array([self.ids])
        mask = np.ones_like(ids)
        states = self.text.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        both = {
            STATES: value(np.concatenate([states, np.zeros_like(states)])),
            MASK: value(np.concatenate([mask, np.zeros_like(mask)])),
        }
        feeds = both | {"input_ids": self.column(np.full(self.codebooks, self.start))}
        names = [output.name for output in self.first.get_outputs()]
        logits, *present = self.first.run_with_ort_values(names, feeds)
        past = dict(zip((past_of(name) for name in names[1:]), present, strict=True))
        return self.sample(logits), past | {MASK: both[MASK]}

    def step(self, tokens: np.ndarray, feeds: dict[str, ort.OrtValue]) -> np.ndarray:
        """The tokens that follow; leaves the longer past in `feeds`."""
        feeds["input_ids"] = self.column(tokens)
        logits, *present = self.later.run_with_ort_values(self.outputs, feeds)
        feeds.update(zip((past_of(name) for name in self.outputs[1:]), present, strict=True))
        return self.sample(logits)

    def generate(self, frames: int) -> np.ndarray:
        """Samples of a piece: codebook k is k columns late, and holds the start token before its first frame."""
        tokens, feeds = self.begin()
        columns = [tokens]
        late = np.arange(self.codebooks)
        while len(columns) < frames + self.codebooks - 1:
            fed = np.where(late < len(columns), columns[-1], self.start)
            columns.append(self.step(fed, feeds))
        grid = np.array(columns).T
        codes = np.stack([row[k : k + frames] for k, row in enumerate(grid)])
        return self.decode.run(None, {"audio_codes": codes[None, None]})[0]

    def measure_piece(self, seconds: float) -> dict:
        """A piece from word pieces to samples."""
        self.open_all()
        self.generate(round(terms.WARM_UP_SECONDS * RATE))
        frames = round(seconds * RATE)
        begun = time.monotonic()
        sound = self.generate(frames)
        took = time.monotonic() - begun
        assert sound.shape == (1, 1, frames * HOP), f"{sound.shape} instead of {(1, 1, frames * HOP)}"
        return {"seconds": took}

    def measure_codec(self) -> dict:
        """Decoding of random tokens."""
        decode = self.open("encodec_decode")
        shape = (1, 1, self.codebooks, round(terms.CODEC_SECONDS * RATE))
        codes = self.random.integers(self.start, size=shape)
        passes = []
        for _ in range(terms.CODEC_PASSES):
            begun = time.monotonic()
            decode.run(None, {"audio_codes": codes})
            passes.append(time.monotonic() - begun)
        return {"seconds": min(passes)}

    def measure_step(self) -> dict:
        """Single steps behind a past of as many frames as the terms say."""
        self.open_all()
        found = {}
        for frame in (terms.EARLY, terms.LATE):
            tokens, feeds = self.begin()
            for name in feeds:
                if ".decoder." in name:
                    past = self.random.standard_normal((2, self.heads, frame, self.width), dtype=np.float32)
                    feeds[name] = value(past)
            times = []
            for _ in range(terms.STEPS):
                begun = time.monotonic()
                tokens = self.step(tokens, feeds)
                times.append(time.monotonic() - begun)
            found[str(frame)] = statistics.median(times)
        return found

    def measure_load(self) -> dict:
        """When the first frame was there, a token of every codebook, by the clock that all processes share."""
        self.open_all()
        tokens, feeds = self.begin()
        for _ in range(self.codebooks - 1):
            tokens = self.step(tokens, feeds)
        return {"first_frame": time.monotonic()}


    def measure_loss(self) -> dict:
        """By how much logits are off, the root of the mean square, and how many decisions fall otherwise, when every column is
        given: against the goldens beside a checkpoint of tests/reference/full.py. What Timbre's test of the same name prints."""
        golden = load_file(self.checkpoint / "golden.safetensors")
        self.open_all()
        ids = golden["text.ids"].astype(np.int64)[None]
        mask = np.ones_like(ids)
        states = self.text.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        feeds = {
            STATES: np.concatenate([states, np.zeros_like(states)]),
            MASK: np.concatenate([mask, np.zeros_like(mask)]),
            "input_ids": np.tile(golden["lm.input"].astype(np.int64), (2, 1)),
        }
        found = self.first.run(["logits"], feeds)[0][: self.codebooks]
        expected = golden["lm.logits_conditional"]
        off = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
        other = np.mean(found.argmax(axis=-1) != expected.argmax(axis=-1))
        return {"logits_off": float(off), "other_decisions": float(other)}


def past_of(present: str) -> str:
    """The input that takes this output of the step before."""
    return present.replace("present", "past_key_values")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("measure", choices=["piece", "codec", "step", "load", "loss"])
    arguments.add_argument("--models", type=Path, required=True)
    arguments.add_argument("--checkpoint", type=Path, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--seconds", type=float, default=10.0)
    given = arguments.parse_args()
    peer = Peer(given.models, given.checkpoint, given.threads)
    measure = getattr(peer, f"measure_{given.measure}")
    found = measure(given.seconds) if given.measure == "piece" else measure()
    print(json.dumps(found | {"peak_bytes": memory.peak()}))


if __name__ == "__main__":
    main()
