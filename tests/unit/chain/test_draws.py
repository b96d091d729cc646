"""`--draws` becomes the parameter `recompute` of each notebook, and the published rows part of its key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from helpers import cli
from helpers.chain import draws, run
from helpers.chain.draws import Choice, DrawsError, read_choice
from helpers.chain.profiles import Profile
from helpers.chain.report import Report
from helpers.results import tables
from helpers.work import artifacts

WITH_DRAWS = "draws: list = [701, 702, 703]  # seeds\nrecompute: list = [702]  # those computed here"
DIGITS = "draws: list = [0, 1]  # networks\nrecompute: list = [0]  # those computed here"


@pytest.fixture
def profile(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Three notebooks with draws and one without, and published rows of all."""
    write_notebook("00_a", parameters=WITH_DRAWS)
    write_notebook("01_b", parameters=WITH_DRAWS, needs=["00_a"])
    write_notebook("06_digits", parameters=DIGITS)
    write_notebook("07_plain")
    monkeypatch.setattr(tables, "table_kinds", lambda: {"effects": tables.Kind("effects", "01_b")})
    parameters = {stem: {"draws": [701, 702, 703], "rows": 1} for stem in ("00_a", "01_b")}
    artifacts.write_json("results/toy/parameters.json", parameters | {"06_digits": {"draws": [0, 1]}})
    publish(1.0, 2.0, 3.0)
    return Profile("toy", "a toy", 1, "cpu", {"00_a": {}, "01_b": {}, "06_digits": {}, "07_plain": {}}, one=702)


def publish(*effects: float) -> None:
    table = pd.DataFrame({"draw": [701, 702, 703], "effect": effects})
    artifacts.write_table("results/toy/tables/effects.csv", table)


def chosen(profile: Profile, text: str) -> dict[str, list[int]]:
    steps = run.plan(profile, read_choice(text))
    return {step.notebook.stem: step.parameters.get("recompute") for step in steps}


@pytest.mark.parametrize(("text", "bases", "digits"), [
    ("one", [702], [0]),
    ("all", [701, 702, 703], [0, 1]),
    ("none", [], []),
    ("new", [704], [704]),
    ("703,701", [701, 703], []),
    ("1", [], [1]),
    ("703,900", [703, 900], [900]),
])  # fmt: skip
def test_words_and_seeds_become_draws_of_each_notebook(
    profile: Profile, text: str, bases: list[int], digits: list[int]
) -> None:
    assert chosen(profile, text) == {"00_a": bases, "01_b": bases, "06_digits": digits, "07_plain": None}


def test_a_profiles_own_draws_are_what_there_is_to_choose_from(profile: Profile) -> None:
    profile.notebooks["01_b"]["draws"] = [703, 701]
    assert chosen(profile, "all")["01_b"] == [701, 703]
    assert chosen(profile, "one")["01_b"] == [701]  # the profile's one is not among them


def test_a_profile_that_published_nothing_computes_all_but_refuses_none(profile: Profile) -> None:
    Path("results/toy/parameters.json").unlink()
    assert chosen(profile, "one")["00_a"] == chosen(profile, "703")["00_a"] == [701, 702, 703]
    with pytest.raises(DrawsError, match="no published rows .* leave `--draws none` out"):
        chosen(profile, "none")


@pytest.mark.parametrize("text", ["", "two", "701,", "-1", "1.5", "701 702", "all,one"])
def test_draws_that_are_no_draws_are_refused(text: str) -> None:
    with pytest.raises(DrawsError, match="one of one, all, none, new, or seeds such as 701,702"):
        read_choice(text)


def test_the_command_refuses_them_in_one_line(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--draws", "some"]) == 2
    assert capsys.readouterr().err.startswith("subliminal: draws 'some': write one of")
    assert not Path("_runs").exists()


def keys(profile: Profile, text: str = "one") -> dict[str, str]:
    return {step.notebook.stem: step.key for step in run.plan(profile, read_choice(text))}


def test_the_choice_is_part_of_a_key_but_only_where_there_are_draws(profile: Profile) -> None:
    one, all_of_them = keys(profile), keys(profile, "all")
    assert [stem for stem in one if one[stem] == all_of_them[stem]] == ["07_plain"]
    assert keys(profile, "702")["01_b"] == one["01_b"]  # the same draws by another name


def test_what_another_notebook_computes_is_its_own_affair(profile: Profile) -> None:
    """The old code made every chapter anew as soon as one computed more draws, since the bases do so then too."""
    run.run_chain(profile, choice=read_choice("one"))
    run.run_chain(profile, ["00_a"], choice=read_choice("all"))
    assert run.unfinished(profile) == []


def test_published_rows_that_are_shown_are_part_of_a_key_and_others_are_not(profile: Profile) -> None:
    before = keys(profile)
    publish(1.0, 9.0, 3.0)  # that of 702, which is computed here
    assert keys(profile) == before
    publish(1.0, 9.0, 3.5)
    assert [stem for stem, key in keys(profile).items() if key != before[stem]] == ["01_b"]


def test_a_run_keeps_its_choice_for_those_who_ask_later(profile: Profile) -> None:
    new = run.plan(profile, Choice("new"))[0]
    draws.keep_choices(new.run_dir, {"00_a": new.choice, "01_b": Choice("all")})
    draws.keep_choices(new.run_dir, {"01_b": Choice("", (701, 703))})
    steps = {step.notebook.stem: step for step in run.plan(profile)}
    assert steps["00_a"].key == new.key
    assert steps["01_b"].parameters["recompute"] == [701, 703]
    assert steps["06_digits"].parameters["recompute"] == [0]


def test_a_run_names_the_seed_of_a_new_draw(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    """Who trains bases of a new draw has to name it in the other notebooks."""
    steps = run.plan(profile, Choice("new"))
    Report(profile, steps, steps)
    assert capsys.readouterr().out.endswith("to run; draws 704\n")


def test_recompute_is_the_chains_to_set() -> None:
    with pytest.raises(ValueError, match="recompute. is set by the chain"):
        Profile("toy", "a toy", 1, "cpu", {"00_a": {"recompute": [1]}})
    with pytest.raises(ValueError, match="`one` must be a draw's seed"):
        Profile("toy", "a toy", 1, "cpu", {}, one="705")
