"""How much memory a process took at most, on Linux."""

from pathlib import Path


def peak(process: int | str = "self") -> int:
    """The largest resident size so far, in bytes. Unlike that of `getrusage` it is not the parent's at the start."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"process {process} has no VmHWM")
