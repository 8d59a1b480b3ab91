"""What the language model says: logits over given columns, and greedy generation with the tokens it makes."""

from contextlib import contextmanager

import torch
from transformers import PreTrainedModel


def delays(model: PreTrainedModel) -> list[int]:
    """The delay of each codebook in frames: 0 1 2 3 mono, 0 0 1 1 2 2 3 3 stereo."""
    decoder = model.config.decoder
    return [k // decoder.audio_channels for k in range(decoder.num_codebooks)]


@torch.no_grad()
def logits(model: PreTrainedModel, columns: torch.Tensor, **inputs) -> tuple[torch.Tensor, torch.Tensor]:
    """Conditional and unconditional logits [K, columns, V] in one causal pass over `columns` [K, columns]."""
    if not hasattr(model.config, "num_chroma"):
        null = model.get_unconditional_inputs()
        without = {"encoder_outputs": null.encoder_outputs, "attention_mask": null.attention_mask}
        return tuple(model(**condition, decoder_input_ids=columns).logits for condition in (inputs, without))
    both = (model(encoder_hidden_states=rows[None], decoder_input_ids=columns).logits for rows in prefixes(model, **inputs))
    return tuple(row[:, -columns.shape[1] :] for row in both)


@torch.no_grad()
def prefixes(model: PreTrainedModel, input_ids: torch.Tensor, **conditions) -> torch.Tensor:
    """The rows [2, rows, h] that a melody model puts before the first column, with the conditions and without."""
    assert model.generation_config.guidance_scale > 1
    kwargs = model._prepare_encoder_hidden_states_kwargs_for_generation(
        input_ids, conditions, "input_ids", model.generation_config
    )
    return kwargs["encoder_hidden_states"]


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


class CloseCall(Exception):
    """Two tokens were nearly equally likely."""


@torch.no_grad()
def greedy(
    model: PreTrainedModel, frames: int, guidance: float, prompt: torch.Tensor | None = None, clear: float = 0.0, **inputs
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Tokens [K, frames] with `prompt` [K, p] at their start, audio [channels, samples], and the margin: the smallest gap
    between the best and the second best guided logit among all decisions, relative to the largest logit. Raises
    `CloseCall` as soon as the margin falls below `clear`."""
    known = 0 if prompt is None else prompt.shape[1]
    lag = max(delays(model))  # columns beyond the last frame of the first codebook
    free = torch.zeros(frames - known + lag, len(delays(model)), dtype=torch.bool)  # [new columns, K]: neither prompt nor pad
    for k, delay in enumerate(delays(model)):
        free[delay : delay + frames - known, k] = True
    margin, largest = torch.inf, 0.0

    def watch(_, scores):
        nonlocal margin, largest
        best, second = scores[-1].topk(2).values.unbind(-1)
        largest = max(largest, scores[-1].abs().max().item())
        margin = min(margin, (best - second)[free[len(scores) - 1]].min().item())
        if margin < clear * largest:
            raise CloseCall
        return torch.zeros(len(scores[-1]), dtype=torch.bool)

    more = {} if prompt is None else {"decoder_input_ids": prompt}
    with decoded_codes(model) as grids:
        result = model.generate(
            **inputs, **more, do_sample=False, guidance_scale=guidance, max_new_tokens=len(free),
            return_dict_in_generate=True, output_scores=True, stopping_criteria=[watch],
        )  # fmt: skip
    tokens = grids[0] if len(grids) == 1 else torch.stack(grids, dim=1).flatten(0, 1)
    assert tokens.shape[1] == frames, (tokens.shape, frames)
    picked = torch.stack(result.scores).argmax(-1)
    for k, delay in enumerate(delays(model)):
        assert (picked[delay : delay + frames - known, k] == tokens[k, known:]).all(), "not the delay pattern this file knows"
    return tokens, result.sequences[0], margin / largest
