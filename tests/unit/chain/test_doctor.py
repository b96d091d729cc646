"""The doctor states facts, and a cure for each that is not enough."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.chain import doctor
from helpers.chain.profiles import load_profile


def test_this_machine_can_run_the_book(tmp_path: Path) -> None:
    findings = {finding.what: finding for finding in doctor.examine(tmp_path)}
    assert {"Python", "cores", "memory", "free disk", "torch", "packages", "profile nano"} <= set(findings)
    assert findings["packages"].enough and findings["profile nano"].enough
    assert all(finding.cure for finding in findings.values() if not finding.enough)


def test_what_is_missing_comes_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    lines = [finding.line() for finding in doctor.examine(tmp_path)]
    text = "\n".join(lines)
    assert "NO  free disk      0 GiB; free 4 GiB" in text
    assert "NO  packages       missing: torch, transformers" in text
    assert "-   test tools     missing: pytest" in text and "-e '.[test]'" in text
    assert "-   Chromium       not found; for the browser tests: apt-get install chromium" in text


def test_a_card_is_needed_only_by_profiles_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "summary: big\nminutes: 60\ndevice: cuda\nnotebooks: {}\n"
    (tmp_path / "big.yaml").write_text(text)
    monkeypatch.setattr(doctor, "profile_names", lambda: ["big"])
    monkeypatch.setattr(doctor, "load_profile", lambda name: load_profile(name, tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor._profiles()[0].line() == "-   profile big    about 60 minutes: big; needs a CUDA card"


def test_a_bad_profile_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.yaml").write_text("notebooks: [")
    monkeypatch.setattr(doctor, "profile_names", lambda: ["bad"])
    monkeypatch.setattr(doctor, "load_profile", lambda name: load_profile(name, tmp_path))
    line = doctor._profiles()[0].line()
    assert line.startswith("-   profile bad    cannot be used; profile bad is not valid YAML") and "\n" not in line


def test_memory_is_known_where_there_is_no_sysconf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no os.sysconf."""
    monkeypatch.delattr("os.sysconf", raising=False)
    findings = {finding.what: finding for finding in doctor.examine(tmp_path)}
    assert float(findings["memory"].found.split()[0]) > 0
