"""Makes the committed checkpoints and their goldens: python make.py [NAME ...]"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel

import golden
import models
import tokenizer

CHECKPOINTS = Path(__file__).parent / "checkpoints"
TRIES = 500


def clear_seed(build, words: Tokenizer) -> tuple[PreTrainedModel, golden.Golden]:
    """The model of the first seed that makes usable goldens."""
    for seed in range(TRIES):
        model = build(seed)
        if golden.is_clear(model, words):
            return model, golden.compute(model, words, seed)
    raise SystemExit(f"no seed below {TRIES} makes clear greedy decisions")


def write(folder: Path, words: Tokenizer, values: golden.Golden) -> None:
    """Everything beside the weights and configuration."""
    words.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in values.tensors.items()}, folder / "golden.safetensors")
    facts = values.facts | {"margins": values.margins}
    (folder / "golden.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def make(name: str, words: Tokenizer) -> None:
    """One checkpoint directory, replaced as a whole."""
    folder = CHECKPOINTS / name
    shutil.rmtree(folder, ignore_errors=True)
    model, values = clear_seed(lambda seed: models.build(models.SPECS[name], seed), words)
    model.save_pretrained(folder)
    write(folder, words, values)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: seed {values.facts['seed']}, {size / 1e6:.2f} MB, margins", {k: f"{v:.1e}" for k, v in values.margins.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    for name in sys.argv[1:] or models.SPECS:
        make(name, tokenizer.build())
