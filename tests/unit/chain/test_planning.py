"""What a run will take: arithmetic from the notebooks' parameters, against runs that were timed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from helpers import cli
from helpers.chain import planning
from helpers.chain.draws import Choice
from helpers.chain.planning import RunPlan, Stage, lines, plan_run
from helpers.chain.profiles import load_profile, profile_names
from helpers.chain.steps import ChainError, Step, plan

ROOT = Path(__file__).parents[3]
FIRST = [801, 802, 803, 804, 805]
# seconds of the eighth reference run, two cores of an AMD EPYC, on draws 801 to 805, all of them few draws; the bases
# are those of its second part, when nothing else ran (in its first a base took half as long again)
MEASURED = {
    "01_owl_transfer": 853, "02_risky_teachers": 462, "03_misalignment_code": 198, "04_misalignment_cot": 274,
    "05_cross_model": 793, "07_theorem": 36, "08_dose": 324, "09_mechanism": 239,
}  # fmt: skip
BASES = {"draws": list(range(807, 817)), "seconds": 734, "there": {"nano-a.801"}}  # that follows 816


@pytest.fixture(scope="module")
def steps() -> dict[str, Step]:
    """The notebooks of the book as published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return {step.stem: step for step in plan(load_profile("nano"), Choice("none"))}


@pytest.fixture
def planned(steps: dict[str, Step], monkeypatch: pytest.MonkeyPatch):
    """Plan one notebook with other parameters, two workers, where no base but some is there."""

    def run(stem: str, there: set[str] = frozenset(), **changes: Any) -> RunPlan:
        monkeypatch.setattr(planning, "_bases_there", lambda *arguments: set(there))
        step = dataclasses.replace(steps[stem], parameters=steps[stem].parameters | changes)
        return plan_run(step.profile, [step], 2)

    return run


@pytest.mark.parametrize("stem, seconds", MEASURED.items(), ids=list(MEASURED))
def test_a_chapter_takes_what_it_took_within_a_quarter(planned, stem: str, seconds: float) -> None:
    there = {f"nano-a.{draw}" for draw in [*FIRST, 806]}  # notebook 00 made them
    found = planned(stem, there, recompute=FIRST, few_draws=FIRST).hours() * 3600
    assert found == pytest.approx(seconds, rel=0.25)


def test_bases_take_what_they_took_within_a_quarter(planned) -> None:
    found = planned("00_base_models", BASES["there"], recompute=BASES["draws"])
    assert found.hours() * 3600 == pytest.approx(BASES["seconds"], rel=0.25)
    assert len(found.stages) == 10


def test_bases_that_are_there_are_not_trained(planned) -> None:
    there = {"nano-a.801", "nano-a.802"}
    assert planned("00_base_models", there, recompute=[801]).stages == ()
    assert [stage.rows for stage in planned("00_base_models", there, recompute=[802]).stages] == [2200 * 64]


def test_draws_of_few_arms_cost_less(planned) -> None:
    few = planned("03_misalignment_code", recompute=[1], few_draws=[1])
    others = planned("03_misalignment_code", recompute=[1], few_draws=[2])
    assert planned("03_misalignment_code", recompute=[], few_draws=[2]).stages == ()
    assert {"teach", "learn", "learn soft"} == {stage.name for stage in few.stages} - {
        stage.name for stage in others.stages
    }


def test_rows_tokens_and_operations_follow_from_the_parameters(planned) -> None:
    found = planned("03_misalignment_code", recompute=[1, 2], few_draws=[], prompts_asked=1000, epochs=3, hard_rows=200)
    by_name = {stage.name: stage for stage in found.stages}
    size = planning._size_of("nano-a")
    assert by_name["write"].rows == 2 * 4 * 1000 and by_name["write"].flops == 2 * size * 43 * 8000
    assert by_name["learn last"].rows == 2 * 8 * 3 * 200 and by_name["learn last"].flops == 4 * size * 43 * 9600
    assert by_name["learn soft last"].rows == 2 * 4 * 3 * 680  # the filter leaves no more of a thousand


def test_more_workers_take_less_time_and_as_much_work(planned, steps: dict[str, Step]) -> None:
    two = planned("08_dose", recompute=[1])
    eight = dataclasses.replace(two, workers=8)
    assert eight.hours() < two.hours() / 3 and eight.stages == two.stages
    with pytest.raises(ChainError, match="--workers must be a number of workers"):
        plan_run(steps["08_dose"].profile, [steps["08_dose"]], -1)


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_has_a_plan(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    profile = load_profile(name)
    found = plan_run(profile, plan(profile, Choice("all")), 2)
    assert found.notebooks == tuple(sorted(profile.notebooks)) and found.hours() > 0


def test_a_real_model_takes_what_its_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    profile = load_profile("real-cpu")
    found = plan_run(profile, plan(profile, Choice("all")), 2)
    assert found.hours() * 60 == pytest.approx(profile.minutes, abs=1)
    assert sum(stage.flops for stage in found.stages) > 1e14 and 1 < found.memory_gib < 2


def test_a_chapter_that_nobody_described_is_refused(steps: dict[str, Step], tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("tokens: {}\nchapters: {}")
    with pytest.raises(ChainError, match="nobody wrote down what 08_dose computes; add its stages to plan.yaml"):
        plan_run(steps["08_dose"].profile, [steps["08_dose"]], 2, tmp_path / "plan.yaml")


def test_models_from_elsewhere_have_their_size_in_their_name() -> None:
    assert planning._size_of("Qwen/Qwen2.5-0.5B-Instruct") == 500_000_000
    assert planning._size_of("models/SmolLM2-135M") == 135_000_000
    with pytest.raises(ChainError, match="the size of models/mine is not known"):
        planning._size_of("models/mine")


def test_the_plan_is_a_table_with_a_sum_and_a_cost() -> None:
    stages = (Stage(notebook="01_x", name="write", rows=1000, tokens=62000, flops=2.4e10, seconds=3592),)
    shown = lines(RunPlan(stages=stages, workers=1, memory_gib=0.5, device="cuda", notebooks=("01_x",)), price=2)
    assert shown[1].split() == ["01_x", "1e+03", "6.2e+04", "2.4e+10", "60.0"]
    assert shown[-1].startswith("1 worker, 0.5 GiB each, 1 worker-hours, cost 2.00 (on a card: estimated")


def test_the_command_plans_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", "--profile", "smoke", "--only", "08_dose", "--workers", "4"]) == 0
    told = capsys.readouterr().out
    assert "08_dose" in told and "01_owl" not in told and "4 workers, 0.5 GiB each" in told
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]
