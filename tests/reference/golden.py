"""Golden values of every stage, computed by transformers in f32. Names and shapes: README.md."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel
from transformers.generation import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.models.encodec.modeling_encodec import EncodecEuclideanCodebook

import generation
from generation import CloseCall, greedy
from tokenizer import SAMPLES

PROMPT = "warm lofi piano with brushed drums and a soft upright bass"
LONG_PROMPT = ", ".join([PROMPT] * 6)
FRAMES, FRAMES_UNGUIDED, FRAMES_NULL, FRAMES_CONTINUED = 210, 100, 20, 90
GUIDANCE = 3.0
# No decision in a golden is closer than this, so that rounding cannot change a token. The stereo model takes twice as
# many decisions, and a seed with wider gaps is hard to find.
CLEAR, CLEAR_STEREO = 3e-4, 1.5e-4
VARIED = 8  # a greedy run uses at least so many tokens of every codebook
SAMPLING = {"temperature": 0.8, "top_k": 12, "top_p": 0.7}


@dataclass
class Golden:
    """Tensors by name, the facts that go into golden.json, and how clear the closest decision of each stage was."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    margins: dict[str, float] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """golden.safetensors and golden.json."""
        save_file({name: tensor.contiguous() for name, tensor in self.tensors.items()}, folder / "golden.safetensors")
        facts = self.facts | {"margins": self.margins}
        (folder / "golden.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        for file in folder.iterdir():  # safetensors writes files that only their owner can read
            file.chmod(0o644)


def compute(model: PreTrainedModel, tokenizer: Tokenizer, seed: int) -> Golden:
    """All stages of an ordinary model."""
    golden, source = begin(tokenizer, seed)
    inputs = text(model, tokenizer, golden)
    logits(model, inputs, golden, source)
    tokens(model, inputs, golden, source)
    codec(model, golden, source)
    sampling(golden, model.config.decoder.vocab_size, source)
    return golden


def begin(tokenizer: Tokenizer, seed: int) -> tuple[Golden, torch.Generator]:
    """A golden with its facts, and the source of all its random inputs."""
    golden = Golden()
    golden.facts = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "seed": seed,
        "prompt": PROMPT,
        "long_prompt": LONG_PROMPT,
        "guidance": GUIDANCE,
        "sampling": SAMPLING,
        "tokenization": [{"text": text, "ids": tokenizer.encode(text).ids} for text in SAMPLES],
    }
    return golden, torch.Generator().manual_seed(seed)


def text(model: PreTrainedModel, tokenizer: Tokenizer, golden: Golden) -> dict[str, torch.Tensor]:
    """text.*: token ids, T5 states, states as the decoder sees them. Returns the inputs of the short prompt."""
    for prefix, prompt in (("text.long", LONG_PROMPT), ("text", PROMPT)):
        ids = torch.tensor([tokenizer.encode(prompt).ids])
        states = model.text_encoder(input_ids=ids).last_hidden_state
        golden.tensors[f"{prefix}.ids"] = ids[0]
        golden.tensors[f"{prefix}.states"] = states[0]
    projected = model.enc_to_dec_proj(states) if hasattr(model, "enc_to_dec_proj") else states.clone()
    golden.tensors["text.projected"] = projected[0]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def random_grid(model: PreTrainedModel, columns: int, source: torch.Generator) -> torch.Tensor:
    """Columns as the decoder is fed them, any token or PAD anywhere; the first column is the start token."""
    decoder = model.config.decoder
    grid = torch.randint(0, decoder.vocab_size + 1, (decoder.num_codebooks, columns), generator=source)
    grid[:, 0] = decoder.pad_token_id
    return grid


def logits(model: PreTrainedModel, inputs: dict, golden: Golden, source: torch.Generator) -> None:
    """lm.*: a random grid, with the prompt and with the null condition."""
    grid = random_grid(model, 24, source)
    golden.tensors["lm.input"] = grid
    both = generation.logits(model, grid, **inputs)
    golden.tensors["lm.logits_conditional"], golden.tensors["lm.logits_unconditional"] = both


def clear(model: PreTrainedModel) -> float:
    """The smallest margin that this model's goldens may have."""
    return CLEAR if model.config.decoder.audio_channels == 1 else CLEAR_STEREO


def unprompted(model: PreTrainedModel, inputs: dict) -> dict[str, dict]:
    """The runs that only the weights and the text decide."""
    null = model.get_unconditional_inputs()
    null = {"encoder_outputs": null.encoder_outputs, "attention_mask": null.attention_mask}
    return {
        "greedy": dict(frames=FRAMES, guidance=GUIDANCE, **inputs),
        "greedy_g1": dict(frames=FRAMES_UNGUIDED, guidance=1.0, **inputs),
        "greedy_null": dict(frames=FRAMES_NULL, guidance=1.0, **null),
    }


def is_clear(model: PreTrainedModel, runs: dict[str, dict]) -> bool:
    """Whether these weights make the runs without close decisions, and the guided one without an early loop."""
    try:
        for run in runs.values():
            codes, _, margin = greedy(model, clear=clear(model), **run)
            if margin < clear(model) or (run["frames"] >= FRAMES and min(len(set(row.tolist())) for row in codes) < VARIED):
                return False
    except CloseCall:
        return False
    return True


def redraw(attempt, clear: float):
    """Repeats a random attempt, which returns values and their margin, until the margin is `clear`."""
    while True:
        *value, margin = attempt()
        if margin >= clear:
            return *value, margin


def tokens(model: PreTrainedModel, inputs: dict, golden: Golden, source: torch.Generator) -> None:
    """greedy.*, continue.*: whole generations."""
    for name, run in unprompted(model, inputs).items():
        golden.tensors[f"{name}.tokens"], audio, golden.margins[name] = greedy(model, **run)
        if name != "greedy":  # the longest is left out: it is of the same codec
            golden.tensors[f"{name}.audio"] = audio.squeeze(0)

    decoder = model.config.decoder
    for name, known, frames in (("continue", 9, FRAMES_CONTINUED), ("continue.short", 2, 30)):

        def attempt():
            prompt = torch.randint(0, decoder.vocab_size, (decoder.num_codebooks, known), generator=source)
            run, _, margin = greedy(model, frames, GUIDANCE, prompt, **inputs)
            return prompt, run, margin

        prompt, run, golden.margins[name] = redraw(attempt, clear(model))
        golden.tensors[f"{name}.prompt"], golden.tensors[f"{name}.tokens"] = prompt, run


def codec(model: PreTrainedModel, golden: Golden, source: torch.Generator) -> None:
    """codec.* and encode.*"""
    decoding(model, golden, source)
    encoding(model, golden, source)


def decode(model: PreTrainedModel, codes: torch.Tensor) -> torch.Tensor:
    """One channel: codes [Kc, T] to samples."""
    return model.audio_encoder.decode(codes[None, None], [None]).audio_values[0, 0]


def decoding(model: PreTrainedModel, golden: Golden, source: torch.Generator) -> None:
    """codec.*: random codes to audio; the short ones are mostly edge."""
    quantizers, size = model.audio_encoder.config.num_quantizers, model.audio_encoder.config.codebook_size

    def random(name: str, frames: int, channels: int = 1) -> torch.Tensor:
        codes = torch.randint(0, size, (quantizers * channels, frames), generator=source)
        golden.tensors[f"codec.{name}codes"] = codes
        return codes

    golden.tensors["codec.audio"] = decode(model, random("", 40))
    for frames in (1, 2, 3):
        golden.tensors[f"codec.short{frames}.audio"] = decode(model, random(f"short{frames}.", frames))
    if model.config.decoder.audio_channels == 2:
        codes = random("stereo.", 12, channels=2)
        golden.tensors["codec.stereo.audio"] = torch.stack([decode(model, codes[0::2]), decode(model, codes[1::2])])


def encode(model: PreTrainedModel, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """One channel: samples to codes [Kc, T] and latents [T, width] before the quantizer, and the smallest gap between the
    two nearest entries relative to the distance."""
    latents, gaps, quantize = [], [], EncodecEuclideanCodebook.quantize

    def measured(self, states):
        latents.append(states)
        nearest, next_nearest = torch.cdist(states, self.embed).pow(2).topk(2, largest=False).values.unbind(-1)
        gaps.append(((next_nearest - nearest) / next_nearest).min().item())
        return quantize(self, states)

    EncodecEuclideanCodebook.quantize = measured
    try:
        bandwidth = model.audio_encoder.config.target_bandwidths[-1]
        codes = model.audio_encoder.encode(samples[None, None], bandwidth=bandwidth).audio_codes[0, 0]
    finally:
        EncodecEuclideanCodebook.quantize = quantize
    return codes, latents[0], min(gaps)


def encoding(model: PreTrainedModel, golden: Golden, source: torch.Generator) -> None:
    """encode.*: noise that swells and fades to codes, at whole frames and not."""
    hop = model.audio_encoder.config.hop_length

    def attempt(length: int, channels: int):
        swell = 0.6 * torch.sin(torch.linspace(0.3, 2.8, length))
        audio = swell * torch.randn(channels, length, generator=source)
        codes, latents, margins = zip(*(encode(model, channel) for channel in audio))
        return audio, torch.stack(codes, dim=1).flatten(0, 1), torch.stack(latents), min(margins)

    lengths = {"encode": 12 * hop, "encode.odd": 7 * hop + hop // 3, "encode.short": hop // 2 + 1}
    cases = [(name, length, 1) for name, length in lengths.items()]
    if model.config.decoder.audio_channels == 2:
        cases.append(("encode.stereo", 6 * hop, 2))
    for name, length, channels in cases:
        audio, codes, latents, golden.margins[name] = redraw(lambda: attempt(length, channels), clear(model))
        golden.tensors[f"{name}.audio"] = audio.squeeze(0)
        golden.tensors[f"{name}.latents"] = latents.squeeze(0)
        golden.tensors[f"{name}.codes"] = codes


def sampling(golden: Golden, vocabulary: int, source: torch.Generator) -> None:
    """sampling.*: the distribution that is drawn from, for one row of logits: temperature, then one filter."""
    row = 3.0 * torch.randn(1, vocabulary, generator=source)
    golden.tensors["sampling.logits"] = row[0]
    warm = TemperatureLogitsWarper(SAMPLING["temperature"])(None, row)
    filters = {"top_k": TopKLogitsWarper(SAMPLING["top_k"]), "top_p": TopPLogitsWarper(SAMPLING["top_p"])}
    for name, keep in filters.items():
        golden.tensors[f"sampling.{name}"] = keep(None, warm).softmax(-1)[0]
