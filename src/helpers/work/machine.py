"""The machine in words, as results name it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from helpers.work.pieces import usable_cores

_CPUINFO = Path("/proc/cpuinfo")  # on Linux; elsewhere the platform module knows
_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def processor() -> str:
    """Return the processor's name and the number of cores this process may use, such as "AMD EPYC 7763, 2 cores"."""
    found = _NAME.search(_CPUINFO.read_text(encoding="utf-8", errors="replace")) if _CPUINFO.is_file() else None
    name = found.group(1).strip() if found else platform.processor() or platform.machine() or "unknown processor"
    cores = usable_cores()
    return f"{name}, {cores} core{'s' if cores != 1 else ''}"
