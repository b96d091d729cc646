"""What this machine can run, and what to install for the rest.

Each finding states a fact, whether it is enough, and the cure if it is not; a missing need stops the book, a
missing extra only some of its tests or profiles. Nothing is changed and nothing is fetched.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from helpers.chain.profiles import ProfileError, load_profile, profile_names
from helpers.work.pieces import usable_cores

GIB = 2**30
NEEDED_MEMORY_GIB = 4.0  # a kernel and two workers with torch and their data, with room to spare
NEEDED_DISK_GIB = 4.0  # the installed packages and one run
NEEDED_PACKAGES = ("torch", "transformers", "peft", "papermill", "ipykernel", "psutil", "matplotlib", "pandas")
BOOK_PACKAGES = ("jupyter-book",)
TEST_PACKAGES = ("pytest", "hypothesis", "ruff", "nbstripout", "selenium")
BROWSERS = ("chromium", "google-chrome", "chromium-browser")


@dataclass(frozen=True)
class Finding:
    """One fact about this machine."""

    what: str
    found: str
    enough: bool = True
    cure: str = ""
    needed: bool = True  # False: only an extra depends on it

    def line(self) -> str:
        """The finding as one line of the report."""
        mark = "ok " if self.enough else "NO " if self.needed else "-  "
        return f"{mark} {self.what:<14} {self.found}" + ("" if self.enough else f"; {self.cure}")


def examine(root: Path) -> list[Finding]:
    """All findings for the repository at `root`, in the order of the report."""
    return [*_machine(root), _torch(), *_packages(), *_programs(), *_profiles()]


def _machine(root: Path) -> list[Finding]:
    python, cores = platform.python_version(), usable_cores()
    memory, disk = _memory_gib(), shutil.disk_usage(root).free / GIB
    return [
        Finding("Python", f"{python} ({sys.executable})", sys.version_info >= (3, 11), "install Python 3.11"),
        Finding("cores", str(cores), cores >= 2, "expect twice the stated minutes on one core", needed=False),
        Finding(
            "memory",
            f"{memory:.0f} GiB",
            memory >= NEEDED_MEMORY_GIB,
            f"{NEEDED_MEMORY_GIB:g} GiB are needed; close other programs or use another machine",
        ),
        Finding(
            "free disk",
            f"{disk:.0f} GiB",
            disk >= NEEDED_DISK_GIB,
            f"free {NEEDED_DISK_GIB:g} GiB, or keep the repository on another disk",
        ),
    ]


def _memory_gib() -> float:
    import psutil  # comes with ipykernel

    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")  # a container may be allowed less than the machine has
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(total, int(text) if text.isdigit() else total) / GIB


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("torch", f"cannot be imported ({error})", False, "run `make book`, which installs it")
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return Finding("torch", f"{torch.__version__}, {card.name}, {card.total_memory / GIB:.0f} GiB")
    return Finding("torch", f"{torch.__version__}, no CUDA card (the smoke and nano profiles need none)")


def _packages() -> list[Finding]:
    groups = (
        ("packages", NEEDED_PACKAGES, ".", True),
        ("book tools", BOOK_PACKAGES, ".[book]", False),
        ("test tools", TEST_PACKAGES, ".[test]", False),
    )
    findings = []
    for what, names, extra, needed in groups:
        missing = [name for name in names if _version(name) is None]
        found = f"missing: {', '.join(missing)}" if missing else f"{names[0]} {_version(names[0])}, all there"
        cure = f"pip install -c constraints.txt -e '{extra}'"
        findings.append(Finding(what, found, not missing, cure, needed))
    return findings


def _programs() -> list[Finding]:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    cure = "for the browser tests: apt-get install chromium chromium-driver"
    wanted = (
        ("Chromium", browser, cure),
        ("chromedriver", shutil.which("chromedriver"), cure),
        ("git", shutil.which("git"), "to name the commit in the book: install git"),
    )
    return [Finding(what, path or "not found", bool(path), cure, needed=False) for what, path, cure in wanted]


def _profiles() -> list[Finding]:
    torch = sys.modules.get("torch")
    card = bool(torch and torch.cuda.is_available())
    return [_profile(name, card) for name in profile_names()]


def _profile(name: str, card: bool) -> Finding:
    try:
        profile = load_profile(name)
    except ProfileError as error:
        return Finding(f"profile {name}", "cannot be used", False, str(error), needed=False)
    found = f"about {profile.minutes:g} minutes: {profile.summary}"
    return Finding(f"profile {name}", found, profile.device != "cuda" or card, "needs a CUDA card", needed=False)
