"""What the peers need, made once under target/peers: two Python environments, a checkpoint, its ONNX files."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from process import Failed, last_words, surroundings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
WORK = ROOT / "target" / "peers"


def once(make: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a thing at most once in a run; what could not be made is not tried again."""
    kept: dict[tuple, Path | Failed] = {}

    def thing(*arguments: Path) -> Path:
        if arguments not in kept:
            try:
                kept[arguments] = make(*arguments)
            except Failed as failed:
                kept[arguments] = failed
        if isinstance(kept[arguments], Failed):
            raise kept[arguments]
        return kept[arguments]

    return thing


def python(home: Path) -> Path:
    return home / "bin" / "python"


def run(line: list, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{Path(line[0]).name} {line[1]}: {last_words(done.stderr)}")


def environment(name: str, borrowed: str | None = None) -> Path:
    """The Python of the environment with the packages of NAME.txt. Behind its own packages it sees those of the
    environment `borrowed`. It is made again when one of their lists changes."""
    home, packages = WORK / name, HERE / f"{name}.txt"
    lists = [packages, HERE / f"{borrowed}.txt"] if borrowed else [packages]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()
    stamp = home / "made-from"
    if not stamp.is_file() or stamp.read_text() != digest:
        print(f"making {home.relative_to(ROOT)}", file=sys.stderr)
        run([sys.executable, "-m", "venv", "--clear", home])
        if borrowed:
            (site(home) / "borrowed.pth").write_text(f"{site(WORK / borrowed)}\n")
        run([python(home), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", packages])
        stamp.write_text(digest)
    return python(home)


def site(home: Path) -> Path:
    """Where an environment has its packages."""
    return next(home.glob("lib/python*/site-packages"))


def made(folder: Path, line: list[str | Path]) -> Path:
    """A folder that `line` makes, its path given as the last argument; whole or not there."""
    if not folder.is_dir():
        print(f"making {folder.relative_to(ROOT)}", file=sys.stderr)
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        run([*line, part], surroundings(os.cpu_count() or 1))
        part.rename(folder)
    return folder


@once
def with_torch() -> Path:
    return environment("torch")


@once
def with_onnx() -> Path:
    with_torch()
    return environment("onnx", borrowed="torch")


@once
def checkpoint() -> Path:
    """A checkpoint of musicgen-small's sizes with random weights, 2.4 GB."""
    return made(WORK / "checkpoint", [with_torch(), HERE / "checkpoint.py"])


@once
def onnx(weights: Path) -> Path:
    """The ONNX files of a checkpoint, 1.4 GB."""
    digest = hashlib.sha256(str(weights.resolve()).encode()).hexdigest()[:8]
    return made(WORK / f"onnx-{digest}", [with_onnx(), HERE / "export.py", weights])
