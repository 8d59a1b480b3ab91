"""Makes a checkpoint of musicgen-small's sizes with random weights, and goldens: python full.py DIR (2.4 GB)"""

import sys
from pathlib import Path

import torch

import golden
import models
import tokenizer
from generation import greedy

SMALL = models.Spec(
    codes=2048,
    text=dict(vocab_size=32128, d_model=768, d_kv=64, num_heads=12, d_ff=3072, num_layers=12),
    codec=dict(sampling_rate=32000, upsampling_ratios=[8, 5, 4, 4], num_filters=64, hidden_size=128, target_bandwidths=[2.2]),
    decoder=dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, ffn_dim=4096),
)
SECONDS = 5
SEED = 1


@torch.no_grad()
def main(folder: Path) -> None:
    words = tokenizer.build()
    model = models.build(SMALL)
    models.randomise(model, SEED)
    model.save_pretrained(folder)
    tokenizer.save(words, folder)
    print(f"written: {folder}", flush=True)

    values, source = golden.begin(words, SEED)
    inputs = golden.text(model, words, values)
    golden.logits(model, inputs, values, source)
    golden.decoding(model, values, source)
    frames = SECONDS * model.config.audio_encoder.frame_rate
    codes, audio, margin = greedy(model, frames, golden.GUIDANCE, **inputs)
    values.tensors |= {"greedy.tokens": codes, "greedy.audio": audio[0]}
    values.margins["greedy"] = margin
    values.save(folder)
    print(f"goldens: {frames} frames, {[len(set(row.tolist())) for row in codes]} different tokens, closest decision {margin:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
