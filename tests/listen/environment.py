"""The virtual environment of this script: made once under target/listen, made again when its lists change."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "listen"
HOME = WORK / "venv"
PYTHON = HOME / "bin" / "python"


def enter():
    """Returns inside the environment; outside it, makes it where needed and starts this program again in it."""
    if Path(sys.prefix).resolve() == HOME.resolve():
        return
    lists = [HERE / "requirements.txt", HERE / "optional.txt"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()
    stamp = HOME / "made-from"
    if not stamp.is_file() or stamp.read_text() != digest:
        make(*lists)
        stamp.write_text(digest)
    # One thread per process: two pieces are measured side by side.
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
    os.execve(PYTHON, [str(PYTHON), str(HERE), *sys.argv[1:]], os.environ | threads)


def make(required, optional):
    print(f"making {HOME.relative_to(ROOT)}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
    install = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", required], check=True)
    if subprocess.run([*install, "--only-binary", ":all:", "-r", optional]).returncode != 0:
        print("essentia has no wheel for this Python: tempo and key are judged by librosa alone", file=sys.stderr)
