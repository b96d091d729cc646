"""The command: one line per error, the right exit codes, and no traceback without --debug."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import recording

from helpers import cli
from helpers.chain import run
from helpers.chain.draws import read_choice
from helpers.chain.profiles import Profile, ProfileError, profile_names
from helpers.results import claims, ledger
from helpers.work import artifacts

WriteNotebook = Callable[..., Path]
CLAIM = next(claim for claim in claims.load_claims().values() if claim.predict.kind == "above")
NOTEBOOK = CLAIM.notebook or "01_toy"
NAMES = ", ".join(profile_names())


@pytest.fixture
def profile(write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile of one notebook, in a world where CLAIM is the only claim."""
    write_notebook(NOTEBOOK)
    made = Profile("toy", "a toy", 1, "cpu", {NOTEBOOK: {}})
    monkeypatch.setattr(cli, "load_profile", lambda name: made)
    monkeypatch.setattr(ledger, "load_claims", lambda: {CLAIM.id: CLAIM})
    return made


def finish(profile: Profile, shift: float = 0.0) -> None:
    """Leave what a finished run of `profile` leaves: records, a table, and the chain's own files."""
    (step,) = run.plan(profile)
    threshold = CLAIM.predict.threshold or 0.0
    values = [threshold + 1 + shift + 0.01 * run for run in range(5)]
    recording.record(step.run_dir, step.notebook.stem, CLAIM.id, values, range(5), {}, 1.0)
    artifacts.write_text(step.run_dir / "tables" / "t.csv", "a\n1\n")
    artifacts.write_json(step.output, {"metadata": {}})
    step.mark_done(["tables/t.csv"], step.read_files(), 2.0)


def test_outside_the_repository_the_cure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run"]) == 2
    assert capsys.readouterr().err == (
        f"subliminal: {tmp_path} is not inside the book's repository; change to its folder first\n")


@pytest.mark.usefixtures("toy_repository")
def test_an_unknown_profile_is_one_line_or_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--profile", "naan"]) == 2
    assert capsys.readouterr().err == f"subliminal: there is no profile 'naan'; there are {NAMES}\n"
    with pytest.raises(ProfileError, match="no profile"):
        cli.main(["run", "--profile", "naan", "--debug"])


def test_a_folder_inside_the_repository_will_do(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(profile)
    monkeypatch.chdir("notebooks")
    assert cli.main(["run"]) == 0
    assert "1 notebooks unchanged, nothing to run" in capsys.readouterr().out


def test_defects_keep_their_traceback(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.run, "run_chain", lambda *arguments: {}["defect"])
    with pytest.raises(KeyError, match="defect"):
        cli.main(["run"])


def test_the_book_wants_a_finished_run(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["book"]) == 2
    told = capsys.readouterr().err
    assert "changed since: " in told and "run `subliminal run --profile toy` first" in told


def test_a_sound_ledger_is_shown_and_saved(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(profile)
    assert cli.main(["ledger", "--profile", "toy", "--save"]) == 0
    assert CLAIM.id in (told := capsys.readouterr().out) and "replicates" in told
    saved = sorted(path.relative_to("results/toy").as_posix() for path in Path("results").rglob("*.*"))
    assert saved == ["close_calls.csv", "ledger.json", "made_by.json", "parameters.json", "tables/t.csv"]
    made_by = artifacts.read_json("results/toy/made_by.json")
    assert made_by["commit"] == "an unknown commit" and made_by["seconds"] == {NOTEBOOK: 2.0}
    assert cli.main(["ledger", "--against", "results/toy/ledger.json"]) == 0
    assert "identical" in capsys.readouterr().out
    shutil.rmtree("_runs")  # a fresh clone shows the reference run
    assert cli.main(["ledger"]) == 0 and capsys.readouterr().out.startswith("results/toy\n")


def test_a_verdict_against_its_interval_is_found(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(profile)
    records = json.loads(Path("_runs/toy/ledger.json").read_text())
    records[0]["verdict"] = "does not replicate"
    for file in ("ledger.json", f"records/{NOTEBOOK}.json"):
        Path("_runs/toy", file).write_text(json.dumps(records))
    assert cli.main(["ledger", "--save"]) == 1
    assert "its interval says" in capsys.readouterr().err and not Path("results").exists()


def test_another_run_that_differs_is_found(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(profile)
    shutil.copy("_runs/toy/ledger.json", "other.json")
    finish(profile, shift=5.0)
    assert cli.main(["ledger", "--against", "other.json"]) == 1
    assert f"subliminal: {CLAIM.id}: differs" in capsys.readouterr().err


def test_a_missing_record_is_found(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    finish(profile)
    ledger.forget("_runs/toy", NOTEBOOK)
    assert cli.main(["ledger"]) == 1
    assert capsys.readouterr().err == f"subliminal: {CLAIM.id}: no record; run its notebook\n"


def test_a_ledger_that_is_not_there_is_not_told_to_be_made_by_a_run(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(profile)
    assert cli.main(["ledger", "--against", "missing.json"]) == 2
    assert capsys.readouterr().err.startswith("subliminal: missing.json is missing; check the name")


def test_help_needs_no_profile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One bad profile file must not break every command."""
    monkeypatch.setattr(cli, "load_profile", lambda name: {}["a file that cannot be read"])
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0 and all(name in told for name in ("nano", "smoke"))


def test_no_run_at_all_is_an_error(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger"]) == 2
    assert "ledger.json is missing; `subliminal run` makes it" in capsys.readouterr().err


def test_the_doctor_works_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor"]) == 0
    assert "profile nano" in capsys.readouterr().out


def test_a_chapter_of_a_real_model_joins_the_book_once_it_is_published(monkeypatch, tmp_path):
    """The old code let a chapter compute all its draws that nobody had published, for a book of other models."""
    monkeypatch.chdir(tmp_path)
    guest = Profile("real-cpu", "two chapters", 1, "cpu", {"10_real_model": {}, "16_real_misalignment": {}})
    asked = []
    monkeypatch.setattr(cli, "load_profile", lambda name: guest)
    monkeypatch.setattr(run, "unfinished", lambda profile: list(profile.notebooks))
    monkeypatch.setattr(run, "run_chain", lambda profile, only, choice: asked.append((profile.name, only, choice)))
    nano = Profile("nano", "the book", 1, "cpu", {})
    cli._run_guest(nano)
    assert asked == []
    artifacts.write_json(tmp_path / "results/real-cpu/parameters.json", {"10_real_model": {"draws": [1001]}})
    cli._run_guest(nano)
    assert asked == [("real-cpu", ["10_real_model"], read_choice("none"))]
