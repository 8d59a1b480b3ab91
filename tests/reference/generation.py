"""Greedy generation through `generate`, with the tokens it made and how clear each decision was."""

from contextlib import contextmanager

import torch
from transformers import PreTrainedModel


def delays(model: PreTrainedModel) -> list[int]:
    """The delay of each codebook in frames: 0 1 2 3 mono, 0 0 1 1 2 2 3 3 stereo."""
    decoder = model.config.decoder
    return [k // decoder.audio_channels for k in range(decoder.num_codebooks)]


@contextmanager
def decoded_codes(model: PreTrainedModel):
    """Collects the code grids that the codec is given: `generate` itself returns only audio."""
    grids, decode = [], model.audio_encoder.decode

    def record(audio_codes, *args, **kwargs):
        grids.append(audio_codes[0, 0])
        return decode(audio_codes, *args, **kwargs)

    model.audio_encoder.decode = record
    try:
        yield grids
    finally:
        del model.audio_encoder.decode


@torch.no_grad()
def greedy(model: PreTrainedModel, frames: int, guidance: float, prompt: torch.Tensor | None = None, **inputs):
    """Tokens [K, frames] with `prompt` [K, p] at their start, audio [channels, samples], and the smallest gap between the
    best and the second best guided logit among all free decisions, relative to the largest logit."""
    known = 0 if prompt is None else prompt.shape[1]
    lag = max(delays(model)) + 1  # new columns = frames + lag - 1, the start column is there already
    more = {} if prompt is None else {"decoder_input_ids": prompt}
    with decoded_codes(model) as grids:
        result = model.generate(
            **inputs, **more, do_sample=False, guidance_scale=guidance, max_new_tokens=frames - known + lag - 1,
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
    tokens = grids[0] if len(grids) == 1 else torch.stack(grids, dim=1).flatten(0, 1)
    assert tokens.shape[1] == frames, (tokens.shape, frames)

    scores = torch.stack(result.scores)  # [new columns, K, V]
    best, second = scores.topk(2).values.unbind(-1)
    gap = torch.inf
    for k, delay in enumerate(delays(model)):
        for column in range(len(scores)):
            frame = known + column - delay
            if known <= frame < frames:
                assert scores[column, k].argmax() == tokens[k, frame], "the delay pattern is not what this file says"
                gap = min(gap, (best - second)[column, k].item())
    return tokens, result.sequences[0], gap / scores.abs().max().item()
