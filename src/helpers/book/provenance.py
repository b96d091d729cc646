"""Where the results of a book come from: the profile and day of the run, the commit of the sources."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

from helpers.work import artifacts, escaping


def provenance(root: Path, run_dir: Path, notebooks: list[Path]) -> dict[str, str]:
    """Return where the results come from: profile, commit, date, and a `sentence` on them."""
    date = max(_finished(path) for path in notebooks)
    day = f"{date.day} {date:%B %Y}"
    commit = _commit(root)
    sentence = f"Results of the profile {run_dir.name}, run on {day}; book built at {commit}."
    return {"profile": run_dir.name, "commit": commit, "date": day, "sentence": sentence}


def for_pages(origin: dict[str, str]) -> dict[str, str]:
    """Return the words of `provenance` escaped for Markdown, and the sentence as `footer`, escaped for HTML."""
    escaped = {name: escaping.markdown(text) for name, text in origin.items()}
    return {**escaped, "footer": escaping.markup(origin["sentence"])}


def _finished(path: Path) -> datetime:
    ended = artifacts.read_json(path)["metadata"].get("papermill", {}).get("end_time")
    try:
        return datetime.fromisoformat(ended).replace(tzinfo=None)
    except (TypeError, ValueError):  # not run by papermill, or by a version with another way to write the time
        return datetime.fromtimestamp(path.stat().st_mtime)


def _commit(root: Path) -> str:
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git on this machine
        return "an unknown commit"
    return f"commit {commit} with local changes" if changed else f"commit {commit}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
