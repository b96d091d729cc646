"""The machine in words, as results name it, and the graphics card it may have."""

from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from helpers.work.pieces import usable_cores

_CPUINFO = Path("/proc/cpuinfo")  # on Linux; elsewhere the platform module knows
_ASK_CARD = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def processor() -> str:
    """Return the processor's name and the number of cores this process may use, such as "AMD EPYC 7763, 2 cores"."""
    found = _NAME.search(_CPUINFO.read_text(encoding="utf-8", errors="replace")) if _CPUINFO.is_file() else None
    name = found.group(1).strip() if found else platform.processor() or platform.machine() or "unknown processor"
    cores = usable_cores()
    return f"{name}, {cores} core{'s' if cores != 1 else ''}"


@dataclass(frozen=True)
class Card:
    """A graphics card: its name, and its memory in GiB."""

    name: str
    gib: float

    def __str__(self) -> str:
        """Return the card in words, such as "Tesla T4, 15 GiB"."""
        return f"{self.name}, {self.gib:.0f} GiB"


def find_card() -> Card | None:
    """Return the first NVIDIA card of this machine, asked of its driver and without loading PyTorch; None for none."""
    try:
        told = subprocess.run(_ASK_CARD, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, mebibytes = told.partition("\n")[0].rpartition(",")
    return Card(name.strip(), float(mebibytes) / 1024) if mebibytes.strip().isdecimal() else None
