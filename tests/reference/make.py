"""Makes the committed checkpoints and their goldens: python make.py [NAME ...]"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedModel

import golden
import melody
import models
import tokenizer

CHECKPOINTS = Path(__file__).parent / "checkpoints"
FOUND = {"mono": 205, "wide": 182, "stereo": 54, "sharded": 205, "melody": 29}  # seeds of an earlier search: where the next one starts
TRIES = 5000


def clear_seed(name: str, words: Tokenizer) -> tuple[int, PreTrainedModel]:
    """The first seed whose weights make usable goldens."""
    spec = models.SPECS["mono" if name == "sharded" else name]
    model = models.build(spec)
    for seed in range(FOUND.get(name, 0), TRIES):
        models.randomise(model, seed)
        if name == "sharded":
            model = model.half().float()
        if spec.melody:
            clear = melody.is_clear(model, words, seed)
        else:
            clear = golden.is_clear(model, golden.unprompted(model, golden.text(model, words, golden.Golden())))
        if clear:
            return seed, model
    raise SystemExit(f"{name}: no seed below {TRIES} makes clear greedy decisions")


def save(name: str, folder: Path, words: Tokenizer) -> int:
    """Weights and configuration; the seed they come from."""
    if name == "old-norm":
        return save_as_of_2023(folder)
    seed, model = clear_seed(name, words)
    if name == "sharded":
        model.half().save_pretrained(folder, max_shard_size="120KB")
    else:
        model.save_pretrained(folder)
    if hasattr(model.config, "num_chroma"):
        melody.extractor(model).save_pretrained(folder)
    return seed


def save_as_of_2023(folder: Path) -> int:
    """`mono` in the older spelling: weight_g and weight_v, the positions and the tied embedding stored, and a
    configuration that leaves out what equals the library's defaults."""
    source = CHECKPOINTS / "mono"
    model = models.load(source)
    weights = {}
    for name, tensor in load_file(source / "model.safetensors").items():
        for new, old in (("parametrizations.weight.original0", "weight_g"), ("parametrizations.weight.original1", "weight_v")):
            name = name.replace(new, old)
        weights[name] = tensor
    weights["decoder.model.decoder.embed_positions.weights"] = model.decoder.model.decoder.embed_positions.weights
    weights["text_encoder.encoder.embed_tokens.weight"] = weights["text_encoder.shared.weight"].clone()
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    parts = {part: without_defaults(getattr(model.config, part)) for part in ("text_encoder", "audio_encoder", "decoder")}
    (folder / "config.json").write_text(json.dumps({"model_type": "musicgen", **parts}, indent=2) + "\n")
    shutil.copy(source / "generation_config.json", folder)
    return json.loads((source / "golden.json").read_text())["seed"]


def without_defaults(config: PreTrainedConfig) -> dict:
    """What the configuration says beyond the library's defaults; the codebook width follows from the hidden size."""
    defaults = type(config)().to_dict()
    own = {key: value for key, value in config.to_dict().items() if key not in defaults or value != defaults[key]}
    own.pop("codebook_dim", None)
    return {"model_type": config.model_type} | own


def make(name: str, words: Tokenizer) -> None:
    """One checkpoint directory, replaced as a whole; its goldens come from the files as written."""
    folder = CHECKPOINTS / name
    shutil.rmtree(folder, ignore_errors=True)
    seed = save(name, folder, words)
    with torch.no_grad():
        values = (melody if name == "melody" else golden).compute(models.load(folder), words, seed)
    tokenizer.save(words, folder)
    values.save(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    closest = min(values.margins, key=values.margins.get)
    print(f"{name}: seed {seed}, {size / 1e6:.2f} MB, closest decision {values.margins[closest]:.1e} ({closest})", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    for name in sys.argv[1:] or ("mono", "wide", "stereo", "old-norm", "sharded", "melody"):
        make(name, tokenizer.build())
