"""Compares Timbre with transformers on any MusicGen checkpoint directory, greedily, in f32 on the CPU:

    python compare.py DIR --prompt "warm lofi piano" --duration 5

Says whether the tokens are the same and how far the audio is apart; exit status 1 if they are not equal."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel

import models
from generation import delays, greedy, logits

NEAR_TIE = 1e-4  # of the largest logit: two tokens closer than this may be told apart by rounding alone
AUDIO = 1e-4  # of the largest sample


def timbre(program: str, folder: Path, prompt: str, seconds: float, guidance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Timbre's codes [K, frames] and audio [channels, samples]."""
    with tempfile.TemporaryDirectory() as out:
        wav, tokens = Path(out, "out.wav"), Path(out, "out.json")
        subprocess.run(
            [program, "generate", "--engine", "musicgen", "--model", folder, "--single", "--raw", wav, "--tokens", tokens,
             "--temperature", "0", "--guidance", str(guidance), "--dtype", "f32", "--prompt", prompt, "--duration", str(seconds)],
            check=True,
        )  # fmt: skip
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
        return torch.tensor(json.loads(tokens.read_text())["codes"]), torch.from_numpy(samples.T.copy())


def decode(model: PreTrainedModel, codes: torch.Tensor) -> torch.Tensor:
    """The reference's audio for these codes."""
    channels = model.config.decoder.audio_channels
    with torch.no_grad():
        audio = [model.audio_encoder.decode(codes[c::channels][None, None], [None]).audio_values[0, 0] for c in range(channels)]
    return torch.stack(audio)


def largest_doubt(model: PreTrainedModel, codes: torch.Tensor, guidance: float, **inputs) -> float:
    """How far the worst of these tokens is below the reference's best one, given all tokens before it; relative to the
    largest guided logit. 0 means that the reference would have chosen every one of them."""
    frames, delay = codes.shape[1], delays(model)
    columns = torch.full((len(codes), frames + max(delay) + 1), model.config.decoder.pad_token_id)
    for k, row in enumerate(codes):
        columns[k, delay[k] + 1 : delay[k] + 1 + frames] = row
    with_text, without = logits(model, columns[:, :-1], **inputs)
    guided = without + (with_text - without) * guidance if guidance > 1 else with_text
    doubts = []
    for k, row in enumerate(codes):
        scores = guided[k, delay[k] : delay[k] + frames]
        doubts.append((scores.max(-1).values - scores.gather(-1, row[:, None])[:, 0]).max())
    return (max(doubts) / guided.abs().max()).item()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--prompt", default="warm lofi piano with brushed drums")
    arguments.add_argument("--duration", type=float, default=5.0)
    arguments.add_argument("--guidance", type=float, default=3.0)
    arguments.add_argument("--timbre", default="timbre", help="the program to run")
    given = arguments.parse_args()

    ours, audio = timbre(given.timbre, given.folder, given.prompt, given.duration, given.guidance)
    model = models.load(given.folder)
    ids = torch.tensor([Tokenizer.from_file(str(given.folder / "tokenizer.json")).encode(given.prompt).ids])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    frames = round(given.duration * model.config.audio_encoder.frame_rate)
    theirs, _, margin = greedy(model, frames, given.guidance, **inputs)
    print(f"grid: {tuple(ours.shape)}, reference {tuple(theirs.shape)}; closest decision of the reference {margin:.1e}")
    if ours.shape != theirs.shape:
        return 1

    equal = bool((ours == theirs).all())
    doubt = 0.0 if equal else largest_doubt(model, ours, given.guidance, **inputs)
    if equal:
        print("tokens: identical")
    else:
        frame = (ours != theirs).any(0).nonzero()[0].item()
        print(f"tokens: {(ours == theirs).float().mean():.1%} equal, apart from frame {frame} on;")
        print(f"        largest doubt {doubt:.1e}: {'a near tie' if doubt < NEAR_TIE else 'NOT a near tie'}")
    reference = decode(model, ours)
    if audio.shape != reference.shape:
        print(f"audio: {tuple(audio.shape)}, reference {tuple(reference.shape)}")
        return 1
    error = ((audio - reference).abs().max() / reference.abs().max()).item()
    print(f"audio of these tokens: largest difference {error:.1e} of the largest sample")
    return 0 if doubt < NEAR_TIE and error < AUDIO else 1


if __name__ == "__main__":
    sys.exit(main())
