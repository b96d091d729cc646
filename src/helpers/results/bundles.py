"""What a bundle is called and made of: the models of one draw as files that a page can run."""

from __future__ import annotations

from pathlib import Path

PLACE = "models"  # folder of the bundles: of a run, of a profile's results, and beside the pages of the book
MANIFEST, WORDS = "manifest.json", "words.json"
ROLES = ("base", "teacher", "student", "control", "stranger")


def bundle_folder(run_dir: str | Path, name: str) -> Path:
    """Return the folder of the bundle of a name in a run's folder, or in a profile's folder of published results."""
    return Path(run_dir) / PLACE / name
