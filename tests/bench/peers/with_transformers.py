"""One measurement of MusicGen in transformers; prints JSON.

python with_transformers.py piece|codec|step|load --checkpoint DIR --dtype f32|bf16 [--seconds S] [--pieces N]
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import MusicgenForConditionalGeneration

import memory
import terms

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
LAG = 3  # columns beyond the frames, for the delay of the last codebook


class Peer:
    """A loaded model with the prompt in word pieces."""

    def __init__(self, folder: Path, dtype: torch.dtype, pieces: int):
        self.model = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
        ids = torch.tensor([Tokenizer.from_file(str(folder / "tokenizer.json")).encode(terms.PROMPT).ids] * pieces)
        self.words = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        self.rate = self.model.config.audio_encoder.frame_rate

    def generate(self, seconds: float, **more) -> torch.Tensor:
        return self.model.generate(
            **self.words, do_sample=True, top_k=terms.TOP_K, guidance_scale=terms.GUIDANCE,
            max_new_tokens=round(seconds * self.rate) + LAG, **more,
        )  # fmt: skip

    def measure_piece(self, seconds: float) -> dict:
        """Pieces from word pieces to samples."""
        self.generate(terms.WARM_UP_SECONDS)
        begun = time.monotonic()
        sound = self.generate(seconds)
        took = time.monotonic() - begun
        codec = self.model.config.audio_encoder
        hop = codec.sampling_rate // codec.frame_rate
        expected = (len(self.words["input_ids"]), 1, round(seconds * self.rate) * hop)
        assert sound.shape == expected, f"{tuple(sound.shape)} instead of {expected}"
        return {"seconds": took}

    @torch.no_grad()
    def measure_codec(self) -> dict:
        """Decoding of random tokens."""
        decoder = self.model.config.decoder
        shape = (1, 1, decoder.num_codebooks, round(terms.CODEC_SECONDS * self.rate))
        codes = torch.randint(decoder.vocab_size, shape, generator=torch.Generator().manual_seed(1))
        passes = []
        for _ in range(terms.CODEC_PASSES):
            begun = time.monotonic()
            self.model.audio_encoder.decode(codes, [None])
            passes.append(time.monotonic() - begun)
        return {"seconds": min(passes)}

    @torch.no_grad()
    def measure_step(self) -> dict:
        """Single steps of the decoder alone, with text and without, behind as many frames as the terms say."""
        text = self.model.text_encoder(**self.words).last_hidden_state
        text = self.model.enc_to_dec_proj(text)
        text = torch.cat([text, torch.zeros_like(text)])
        mask = torch.cat([self.words["attention_mask"], torch.zeros_like(self.words["attention_mask"])])
        rows = 2 * self.model.config.decoder.num_codebooks

        def forward(columns: int, cache=None):
            return self.model.decoder(
                input_ids=torch.ones(rows, columns, dtype=torch.long), encoder_hidden_states=text,
                encoder_attention_mask=mask, past_key_values=cache, use_cache=True,
            )  # fmt: skip

        found = {}
        for frame in (terms.EARLY, terms.LATE):
            cache = forward(frame).past_key_values
            times = []
            for _ in range(terms.STEPS):
                begun = time.monotonic()
                cache = forward(1, cache).past_key_values
                times.append(time.monotonic() - begun)
            assert cache.get_seq_length() == frame + terms.STEPS
            found[str(frame)] = statistics.median(times)
        return found

    def measure_load(self) -> dict:
        """When the first frame was there, a token of every codebook, by the clock that all processes share."""
        steps = []

        def hear(tokens, _):
            steps.append(time.monotonic())
            return torch.zeros(len(tokens), dtype=torch.bool)

        self.generate(1 / self.rate, stopping_criteria=[hear])
        return {"first_frame": steps[LAG]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("measure", choices=["piece", "codec", "step", "load"])
    arguments.add_argument("--checkpoint", type=Path, required=True)
    arguments.add_argument("--dtype", choices=DTYPES, required=True)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--pieces", type=int, default=1)
    given = arguments.parse_args()
    peer = Peer(given.checkpoint, DTYPES[given.dtype], given.pieces)
    measure = getattr(peer, f"measure_{given.measure}")
    found = measure(given.seconds) if given.measure == "piece" else measure()
    print(json.dumps(found | {"peak_bytes": memory.peak()}))


if __name__ == "__main__":
    main()
