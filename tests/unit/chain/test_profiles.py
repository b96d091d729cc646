"""Profiles are typed, and a mistake in one names the field and what exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.chain.profiles import Profile, ProfileError, load_profile, profile_names

GOOD = "summary: toy\nminutes: 1.5\ndevice: cpu\nnotebooks:\n  01_a: {n: 3}\n"


def write(folder: Path, text: str) -> Path:
    (folder / "toy.yaml").write_bytes(text.encode(errors="surrogateescape"))
    return folder


def test_a_profile_is_read(tmp_path: Path) -> None:
    assert load_profile("toy", write(tmp_path, GOOD)) == Profile("toy", "toy", 1.5, "cpu", {"01_a": {"n": 3}})


def test_the_packaged_profiles_are_valid() -> None:
    assert {"smoke", "nano"} <= set(profile_names())
    assert all(load_profile(name).offline for name in ("smoke", "nano"))


@pytest.mark.parametrize("name", ["a100", "colab-l4", "colab-t4"])
def test_a_profile_that_nobody_ran_says_so(name: str) -> None:
    profile = load_profile(name)
    assert profile.device == "cuda" and "not yet run by us" in profile.summary and not profile.offline


def test_smoke_and_nano_run_the_same_notebooks() -> None:
    assert load_profile("smoke").notebooks.keys() == load_profile("nano").notebooks.keys()


def test_an_unknown_name_lists_the_profiles() -> None:
    names = "a100, colab-l4, colab-t4, nano, real-cpu, smoke"
    with pytest.raises(ProfileError, match=f"no profile 'naan'; there are {names}"):
        load_profile("naan")


@pytest.mark.parametrize(("text", "message"), [
    (GOOD.replace("minutes: 1.5", "minutes: soon"), "`minutes` must be a number > 0, not 'soon'"),
    (GOOD.replace("minutes: 1.5", "minutes: 0"), "`minutes` must be a number > 0"),
    (GOOD + "one_minutes: -1\n", "`one_minutes` must be a number > 0, not -1"),
    (GOOD.replace("device: cpu", "device: tpu"), "`device` must be one of cpu, cuda, auto, not 'tpu'"),
    (GOOD.replace("device: cpu\n", ""), "field `device` is missing; needed are summary, minutes"),
    (GOOD.replace("summary: toy", "summary: ''"), "`summary` must be one line"),
    (GOOD + "offline: 3\n", "`offline` must be true or false"),
    (GOOD + "checkpointing: 1\n", "`checkpointing` must be true or false"),
    (GOOD + "micro_rows: -1\n", "`micro_rows` must be a number of rows, or 0 for a whole batch, not -1"),
    (GOOD + "notebook: {}\n", "unknown field `notebook`; the fields are summary"),
    (GOOD + "minutes: 2\n", "not valid YAML: `minutes` is given twice"),
    (GOOD.replace("{n: 3}", "{n: 3, n: 4}"), "`n` is given twice"),
    (GOOD.replace("{n: 3}", "3"), "`notebooks.01_a` must map"),
    (GOOD.replace("{n: 3}", "{run_dir: x}"), "`notebooks.01_a.run_dir` is set by the chain"),
    ("notebooks: [", "not valid YAML"),
    (GOOD.replace("{n: 3}", "{n: 2020-13-45}"), "not valid YAML: month must be in 1..12"),
    (GOOD.replace("toy", "\udcff"), "cannot be read"),
    ("- 1", "not a mapping of fields"),
    ("summary: a\nminutes: 1\ndevice: cpu\nnotebooks: [a]\n", "`notebooks` must map"),
])
def test_a_mistake_names_the_field_and_the_cure(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ProfileError, match="profile toy") as caught:
        load_profile("toy", write(tmp_path, text))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_bad_profile_hinders_only_who_uses_it(tmp_path: Path) -> None:
    write(tmp_path, "notebooks: [")
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "folder.yaml").mkdir()
    assert profile_names(tmp_path) == ["folder", "good", "toy"]
    assert load_profile("good", tmp_path).minutes == 1.5
    with pytest.raises(ProfileError, match="profile folder cannot be read"):
        load_profile("folder", tmp_path)
