"""Makes a checkpoint of musicgen-small's sizes with random weights: python checkpoint.py DIR (2.4 GB)"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "reference"))

import models
import tokenizer
from full import SEED, SMALL


def main(folder: Path) -> None:
    model = models.build(SMALL)
    models.randomise(model, SEED)
    model.save_pretrained(folder)
    tokenizer.save(tokenizer.build(), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
