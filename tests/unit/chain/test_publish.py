"""Publishing joins draws, and the check compares a run with what is published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from helpers import cli
from helpers.chain import check, publish, run
from helpers.chain.draws import read_choice
from helpers.chain.profiles import Profile
from helpers.results import compare, ledger, tables
from helpers.results.published import open_chapter
from helpers.work import artifacts
from helpers.work.tables import keep_table

NOTEBOOK, OWL = "01_owl_transfer", "owl.numbers.soft.same_init"
PARAMETERS = "draws: list = [1, 2, 3, 4, 5]  # seeds\nrecompute: list = [2]  # those computed here\nscale: float = 1.0"
KIND = tables.Kind("effects", NOTEBOOK, ("arm",), bases=False)
ORIGIN = {"commit": "commit abc", "date": "1 May 2026"}


@pytest.fixture
def profile(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Profile:
    write_notebook(NOTEBOOK, parameters=PARAMETERS)
    for module in (tables, compare):
        monkeypatch.setattr(module, "table_kinds", lambda: {"effects": KIND})
    made = Profile("toy", "a toy", 1, "cpu", {NOTEBOOK: {}}, one=2)
    monkeypatch.setattr(cli, "load_profile", lambda name: made)
    return made


def effects(run_dir: str, draws: tuple[int, ...], plus: float) -> pd.DataFrame:
    rows = [(draw, arm, 10 * draw + plus) for arm in "ab" for draw in draws]
    table = pd.DataFrame(rows, columns=["draw", "arm", "effect"])
    return keep_table(run_dir, "effects", table, 1.5)


def finish(profile: Profile, text: str, plus: float = 0.0, scale: float = 1.0) -> None:
    """Do what a run of the notebook does, and leave what it leaves."""
    profile.notebooks[NOTEBOOK].update({} if scale == 1.0 else {"scale": scale})
    (step,) = run.plan(profile, read_choice(text))
    chapter = open_chapter(NOTEBOOK, step.all_parameters)
    table = chapter.table("effects", effects, "_runs/toy", chapter.recompute, plus)
    chapter.record({OWL: table[table.arm == "a"].effect.tolist()}, params={"scale": scale})
    run.draws.keep_choices(step.run_dir, {NOTEBOOK: step.choice})
    artifacts.write_json(step.output, {"metadata": {}})
    left = ["ledger.json", f"records/{NOTEBOOK}.json"] + ["tables/effects.csv"] * bool(chapter.recompute)
    step.mark_done(left, step.read_files(), 12.3)


def published() -> dict[int, float]:
    rows = artifacts.read_table("results/toy/tables/effects.csv")
    assert rows.draw.tolist() == sorted(rows.draw) and rows.arm.tolist() == list("ab") * (len(rows) // 2)
    return dict(zip(rows.draw.tolist(), rows.effect.tolist(), strict=True))


@pytest.fixture
def first(profile: Profile) -> Profile:
    """The profile after it published all five draws."""
    finish(profile, "all")
    publish.publish(profile, ORIGIN)
    return profile


def test_the_first_run_publishes_all(first: Profile) -> None:
    assert published() == {1: 10.0, 2: 20.0, 3: 30.0, 4: 40.0, 5: 50.0}
    assert artifacts.read_json("results/toy/parameters.json") == {NOTEBOOK: {"draws": [1, 2, 3, 4, 5], "scale": 1.0}}
    made_by = artifacts.read_json("results/toy/made_by.json")
    assert made_by["commit"] == "commit abc" and made_by["seconds"] == {NOTEBOOK: 12.3}
    assert made_by["computed"] == {NOTEBOOK: [1, 2, 3, 4, 5]} and "core" in made_by["processor"]
    assert ledger.load("results/toy") == ledger.load("_runs/toy")


def test_a_run_that_computes_nothing_leaves_what_is_told_of_the_run_before(first: Profile) -> None:
    before = artifacts.read_json("results/toy/made_by.json")
    finish(first, "none")
    marker = Path("_runs/toy/executed", f"{NOTEBOOK}.key")
    artifacts.write_json(marker, artifacts.read_json(marker) | {"seconds": 0.1})
    publish.publish(first, ORIGIN)
    after = artifacts.read_json("results/toy/made_by.json")
    assert after["seconds"] == before["seconds"] == {NOTEBOOK: 12.3} and after["computed"] == before["computed"]


@pytest.mark.parametrize("again, seconds", [("none", 1.5), ("2", 2.7), ("9", 3.0), ("all", 1.5)])
def test_records_tell_what_the_values_of_all_draws_took(first: Profile, again: str, seconds: float) -> None:
    """A run that takes published rows spends no second on them; they were not free for that."""
    finish(first, again)
    publish.publish(first, ORIGIN)
    assert [entry.seconds for entry in ledger.load("results/toy")] == [seconds]
    told = artifacts.read_json("results/toy/made_by.json")
    assert told["seconds"] == {NOTEBOOK: pytest.approx(12.3 / 1.5 * seconds, abs=0.1)}
    assert told["computed"] == {NOTEBOOK: [1, 2, 3, 4, 5] + [9] * (again == "9")}


def test_the_seconds_of_rows_that_nobody_timed_stay_unknown(first: Profile) -> None:
    (entry,) = artifacts.read_json("results/toy/ledger.json")
    artifacts.write_json("results/toy/ledger.json", [entry | {"seconds": None}])
    artifacts.write_json("results/toy/made_by.json", {"seconds": {NOTEBOOK: None}, "computed": {NOTEBOOK: []}})
    finish(first, "none")
    publish.publish(first, ORIGIN)
    assert [entry.seconds for entry in ledger.load("results/toy")] == [None]
    told = artifacts.read_json("results/toy/made_by.json")
    assert (told["seconds"], told["computed"]) == ({NOTEBOOK: None}, {NOTEBOOK: []})


def test_draws_of_a_later_run_replace_theirs_and_join_the_others(first: Profile) -> None:
    finish(first, "2,9", plus=0.5)
    publish.publish(first, ORIGIN)
    assert published() == {1: 10.0, 2: 20.5, 3: 30.0, 4: 40.0, 5: 50.0, 9: 90.5}
    assert artifacts.read_json("results/toy/parameters.json")[NOTEBOOK]["draws"] == [1, 2, 3, 4, 5, 9]
    assert ledger.load("results/toy")[0].seeds == (1, 2, 3, 4, 5, 9)


def test_what_was_published_need_not_run_again(first: Profile) -> None:
    assert run.unfinished(first) == []
    finish(first, "2,9", plus=0.5)
    publish.publish(first, ORIGIN)
    assert run.unfinished(first) == []


def test_other_parameters_are_refused_unless_all_draws_were_computed(first: Profile) -> None:
    before = {path: path.read_bytes() for path in Path("results").rglob("*.*")}
    finish(first, "2,3", scale=2.0)
    with pytest.raises(run.ChainError, match="`scale` is 2.0, published with 1.0.*--draws all"):
        publish.publish(first, ORIGIN)
    assert {path: path.read_bytes() for path in Path("results").rglob("*.*")} == before
    finish(first, "all", plus=7.0, scale=2.0)
    publish.publish(first, ORIGIN)
    assert published()[1] == 17.0
    assert artifacts.read_json("results/toy/parameters.json")[NOTEBOOK]["scale"] == 2.0


def test_bases_are_published_with_their_seals(first: Profile) -> None:
    for name, content in {"a.1": "old", "a.2": "new", "a.3": "same"}.items():
        artifacts.write_text(f"_runs/toy/bases/{name}.safetensors", content)
    artifacts.write_json("_runs/toy/bases/seals.json", {"a.2": "2", "a.3": "3"})
    artifacts.write_json("results/toy/bases/seals.json", {"a.1": "1", "a.3": "3"})
    publish.publish(first, ORIGIN)
    assert artifacts.read_json("results/toy/bases/seals.json") == {"a.1": "1", "a.2": "2", "a.3": "3"}
    assert [path.stem for path in Path("results/toy/bases").glob("*.safetensors")] == ["a.2"]


def test_bases_of_other_links_are_published_for_the_draw_that_readers_recompute(first: Profile) -> None:
    names = [f"nano-a{link}.{draw}" for link in ("", "-link-25", "-half") for draw in (1, 2)]
    for name in names:
        artifacts.write_text(f"_runs/toy/bases/{name}.safetensors", name)
    artifacts.write_json("_runs/toy/bases/seals.json", dict.fromkeys(names, "seal"))
    publish.publish(first, ORIGIN)
    wanted = {"nano-a.1", "nano-a.2", "nano-a-link-25.2"}
    assert set(artifacts.read_json("results/toy/bases/seals.json")) == wanted
    assert {path.stem for path in Path("results/toy/bases").glob("*.safetensors")} == wanted


def test_the_models_that_pages_run_are_published(first: Profile) -> None:
    artifacts.write_text("_runs/toy/models/owl/base.safetensors", "weights")
    publish.publish(first, ORIGIN)
    assert Path("results/toy/models/owl/base.safetensors").read_text() == "weights"


def test_results_that_are_too_large_are_refused(first: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "LARGEST", 100)
    with pytest.raises(run.ChainError, match="more than 100; make tables or bases smaller"):
        publish.publish(first, ORIGIN)


# --- the check ------------------------------------------------------------------------------------


def test_a_recomputed_draw_that_agrees_is_told(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(first, "2", plus=1e-5)
    assert cli.main(["check"]) == 0
    assert capsys.readouterr().out == (
        f"{NOTEBOOK} (draws 2): 2 of 2 values agree, largest difference 1e-05\n"
    )


def test_a_planted_difference_is_named_and_ends_with_1(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(first, "2,3", plus=0.25)
    assert cli.main(["check"]) == 1
    told = capsys.readouterr().out
    assert "0 of 4 values agree, largest difference 0.25" in told
    assert "  differs: effects, draw 2, arm a, effect: 20.25 here, 20.0 published\n" in told


def test_a_new_draw_never_disagrees(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(first, "9", plus=500.0)
    assert cli.main(["check"]) == 0
    told = capsys.readouterr().out
    assert "0 of 2 values of new draws lie where" in told and "outside: effects, draw 9, arm a" in told


def test_nothing_recomputed_is_said(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(first, "none")
    assert cli.main(["check"]) == 0
    assert "nothing was recomputed" in capsys.readouterr().out


def test_other_settings_are_not_compared(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(first, "2,3", plus=9.0, scale=2.0)
    assert cli.main(["check"]) == 0
    assert "`scale` is 2.0, published with 1.0" in capsys.readouterr().out


def test_a_changed_notebook_is_not_checked(first: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    table = Path("_runs/toy/tables/effects.csv")
    table.write_text(table.read_text().replace("20.0", "20.1"))
    assert cli.main(["check"]) == 2
    assert f"changed since it ran: {NOTEBOOK}; run `subliminal run --profile toy` again" in capsys.readouterr().err


def test_a_profile_that_published_nothing_has_nothing_to_check(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check"]) == 2
    assert "has published nothing to compare with" in capsys.readouterr().err


def test_the_page_gets_a_row_for_what_was_computed(first: Profile) -> None:
    finish(first, "2,9", plus=0.25)
    (row,) = check.table(check.check(first))
    assert json.loads(json.dumps(row)) == row
    assert (row["values"], row["agree"], row["new_values"], row["seconds"]) == (2, 0, 2, 12.3)
