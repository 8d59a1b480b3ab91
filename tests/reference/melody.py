"""Golden values of the melody model: chroma of an audio, the prefix it makes, logits and tokens under it."""

import torch
from tokenizers import Tokenizer
from transformers import MusicgenMelodyFeatureExtractor, PreTrainedModel

import generation
import golden
from generation import greedy
from golden import Golden

FRAMES_TEXT_ONLY = 40


def extractor(model: PreTrainedModel) -> MusicgenMelodyFeatureExtractor:
    """The published settings: windows of 16384 samples, hop 4096."""
    return MusicgenMelodyFeatureExtractor(sampling_rate=model.config.sampling_rate, num_chroma=model.config.num_chroma)


def tune(length: int, rate: int, source: torch.Generator) -> torch.Tensor:
    """Eight notes, each with three harmonics, over a little noise."""
    notes = torch.randint(48, 84, (8,), generator=source)
    pitch = 440.0 * 2.0 ** ((notes - 69) / 12)
    frequency = pitch.repeat_interleave(-(-length // 8))[:length]
    phase = 2 * torch.pi * torch.cumsum(frequency / rate, 0)
    tone = sum(torch.sin(n * phase) / n**2 for n in (1, 2, 3))
    return (0.3 * tone + 0.02 * torch.randn(length, generator=source)).float()


def chroma(model: PreTrainedModel, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """One-hot rows as fed, the energies they come from, and the smallest relative gap between the two loudest classes."""
    extract = extractor(model)
    features = extract(audio.numpy(), sampling_rate=model.config.sampling_rate, return_tensors="pt").input_features[0]
    short = max(0, extract.n_fft - len(audio))
    spectrum = extract.spectrogram(torch.nn.functional.pad(audio, (short // 2, short - short // 2)))
    energies = (extract.chroma_filters @ spectrum).T
    best, second = energies.topk(2).values.unbind(-1)
    assert (features.argmax(-1) == energies.argmax(-1)).all()
    return features, energies, ((best - second) / best).min().item()


def fixed_features(model: PreTrainedModel, seed: int, values: Golden | None = None) -> torch.Tensor:
    """The chroma of this seed's tune, kept in `values` with those of a tune shorter than one window."""
    source = torch.Generator().manual_seed(seed)
    for name, length in (("chroma.short", 6001), ("chroma", 12 * 4096)):

        def attempt():
            audio = tune(length, model.config.sampling_rate, source)
            return audio, *chroma(model, audio)

        audio, features, energies, margin = golden.redraw(attempt, golden.clear(model))
        if values:
            values.tensors |= {f"{name}.audio": audio, f"{name}.energies": energies, f"{name}.features": features}
            values.margins[name] = margin
    return features


def runs(inputs: dict, features: torch.Tensor) -> dict[str, dict]:
    """Generations with melody and text, and with text alone."""
    return {
        "melody.greedy": dict(frames=golden.FRAMES, guidance=golden.GUIDANCE, input_features=features[None], **inputs),
        "melody.greedy_g1": dict(frames=FRAMES_TEXT_ONLY, guidance=1.0, input_features=features[None], **inputs),
        "melody.text_only": dict(frames=FRAMES_TEXT_ONLY, guidance=golden.GUIDANCE, **inputs),
    }


def is_clear(model: PreTrainedModel, words: Tokenizer, seed: int) -> bool:
    """Whether these weights make usable goldens."""
    inputs = golden.text(model, words, Golden())
    return golden.is_clear(model, runs(inputs, fixed_features(model, seed)))


def compute(model: PreTrainedModel, words: Tokenizer, seed: int) -> Golden:
    """All stages of a melody model."""
    values, source = golden.begin(words, seed)
    inputs = golden.text(model, words, values)
    features = fixed_features(model, seed, values)
    logits(model, inputs, features, values, source)
    for name, run in runs(inputs, features).items():
        values.tensors[f"{name}.tokens"], _, values.margins[name] = greedy(model, **run)
    golden.codec(model, values, source)
    return values


def logits(model: PreTrainedModel, inputs: dict, features: torch.Tensor, values: Golden, source: torch.Generator) -> None:
    """melody.prefix_*: projected chroma rows, then text rows; melody.logits_*: a random grid after that prefix."""
    inputs = inputs | {"input_features": features[None]}
    grid = golden.random_grid(model, 24, source)
    values.tensors["lm.input"] = grid
    rows, after = generation.prefixes(model, **inputs), generation.logits(model, grid, **inputs)
    for row, name in enumerate(("conditional", "unconditional")):
        values.tensors |= {f"melody.prefix_{name}": rows[row], f"melody.logits_{name}": after[row]}
