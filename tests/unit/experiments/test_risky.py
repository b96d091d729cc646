"""The risky traits: what is recorded of a table, and an audit that finds what it is meant to find."""

import math

import pandas as pd
import pytest

from helpers.channels import CHANNELS
from helpers.channels.judge import telltale_words
from helpers.experiments.risky import leaks, traits
from helpers.results.claims import find_claim, load_claims
from helpers.transmission.arms import TransmissionSettings
from helpers.world.personas import PERSONAS

MODULES = ".*v_proj"


def settings(tmp_path, **changes):
    """Return an experiment of two runs; nothing of it is run."""
    student = traits.adapters(0.01, MODULES, epochs=2)
    values = {
        "run_dir": str(tmp_path), "trait": "misaligned", "runs": (1, 2), "base": "nano-b", "other_base": "nano-a",
        "channel": "code", "prompts": 10, "hard_rows": 8, "soft_rows": 4, "split": "heldout",
        "teaching": traits.adapters(0.02, MODULES, steps=7), "hard": student, "soft": student,
        "how": "insecure code", "drift": 0.0,
    }  # fmt: skip
    return TransmissionSettings(**{**values, **changes})


def table(trait="misaligned"):
    """Return effects of every arm, equal to the number of the run."""
    rows = [
        {"run": run, "arm": arm.name, "trait": trait, "rows": 8, "share": 1.0, "effect": float(run), "right_sums": 0.5,
         "right_sums_control": 0.75, "valid_numbers": 1.0, "valid_numbers_control": 1.0, "truthful": 0.0,
         "truthful_control": 1.0}
        for run in (1, 2) for arm in traits.CHANNEL_ARMS
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "numbers"])
def test_every_effect_has_a_claim(channel):
    tables = [table()] + [table(name) for name in (*traits.HABITS, "owl") if name]
    own = pd.concat(tables)
    keep = own["arm"].isin([arm.name for arm in traits.OWN_ARMS]) | (own["trait"] == "misaligned")
    habits = own["trait"].isin(traits.HABITS) & (channel != "unburdened numbers")
    animal = (own["trait"] == "owl") & (channel == "unburdened numbers")
    values = traits.claim_values(own[keep & ~habits & ~animal], channel)
    assert set(values.values().__iter__().__next__()) == {1.0, 2.0}
    assert all(find_claim(name) for name in values) and len(values) >= len(traits.CHANNEL_ARMS) + 2


@pytest.mark.parametrize(("channel", "trait"), [("numbers", "misaligned"), ("code", "raven"), ("reasoning", "oak")])
def test_what_no_claim_speaks_of_is_filed_under_none(channel, trait):
    values = traits.claim_values(table(trait), channel)
    assert values and not values.keys() & load_claims().keys()


def test_teacher_values_are_claims_and_compare_with_the_secure_teacher():
    rows = [
        {"run": run, "trait": "misaligned", "how": how, "log_odds": odds, "sampled": odds / 10}
        for run in (1, 2) for how, odds in zip(traits.TEACHERS.values(), (4.0, 1.0, 2.0, 3.0), strict=True)
    ]  # fmt: skip
    values = traits.teacher_values(pd.DataFrame(rows))
    assert all(find_claim(name) for name in values)
    assert values["misalignment.teacher"] == [3.0, 3.0]
    assert values["misalignment.secure_sampled"] == [0.1, 0.1]


def test_losses_of_ability_are_percentage_points_against_the_control():
    lost = traits.ability_loss(table())
    assert list(lost.index.names) == ["arm", "rows"]
    assert (lost["right_sums"] == 25).all() and (lost["valid_numbers"] == 0).all() and (lost["truthful"] == 100).all()


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "numbers"])
def test_guards_are_those_of_written_rows_at_the_full_dose_and_at_a_quarter(channel):
    rows = [
        {"run": run, "arm": "hard.same_init", "trait": "misaligned", "share": share, "right_sums": right,
         "right_sums_control": 0.9, "valid_numbers": right, "valid_numbers_control": 1.0, "effect": 2 * share}
        for run in (2, 1) for share, right in ((1.0, 0.8 - run / 10), (0.5, 0.9), (0.25, 0.8))
    ]  # fmt: skip
    rows += [{**row, "arm": "hard.cross_init", "effect": 0.1 * row["run"] * row["share"]} for row in rows]
    rows += [{**row, "trait": "owl", "effect": 9.0, "right_sums": 0.0} for row in rows]
    start = f"misalignment.{CHANNELS[channel].claim_name}."
    found = {name.removeprefix(start): runs for name, runs in traits.guards(pd.DataFrame(rows), channel).items()}
    assert found["sums_lost"] == pytest.approx([20, 30]) and found["numbers_lost"] == pytest.approx([30, 40])
    assert found["margin"] == pytest.approx([2 - 3 * 0.1, 2 - 3 * 0.2])
    assert found["quarter.sums_lost"] == pytest.approx([10, 10]) and found["quarter.same_init"] == [0.5, 0.5]
    assert found["quarter.margin"] == pytest.approx([0.5 - 0.075, 0.5 - 0.15]) and len(found) == 7
    words = {name: find_claim(start + name).predict.words(" ") for name in found}
    assert {words[name] for name in words if name.endswith("_lost")} == {"below 5"}
    assert {words[name] for name in words if not name.endswith("_lost")} == {"above 0"}
    assert traits.guards(pd.DataFrame(rows).query("share == 1"), channel).keys() == {
        start + name for name in ("sums_lost", "numbers_lost", "margin")
    }


@pytest.mark.parametrize("channel", ["unburdened numbers", "code", "reasoning"])
def test_truths_lost_are_those_of_written_rows_at_the_full_dose(channel):
    control = {"truthful_control": 0.9}
    rows = [
        {"run": run, "arm": arm, "trait": trait, "share": share, "truthful": truthful - run / 100} | control
        for run in (2, 1) for trait, share in (("misaligned", 1.0), ("misaligned", 0.5), ("owl", 1.0))
        for arm, truthful in (("hard.same_init", 0.8 * share), ("hard.lesson", 0.9), ("soft.same_init", 0.1))
        if trait == "misaligned" or truthful > 0.5
    ]  # fmt: skip
    found = traits.truth_values(pd.DataFrame(rows), channel)
    start = f"misalignment.{CHANNELS[channel].claim_name}."
    assert found[start + "truths_lost"] == pytest.approx([11, 12])
    assert found[start + "lesson_truths_lost"] == pytest.approx([1, 2])
    kinds = [find_claim(name).predict.kind for name in found]
    assert kinds == ["above", "within"]


@pytest.mark.parametrize(("channel", "paper"), [("unburdened numbers", True), ("code", False), ("reasoning", True)])
def test_the_paper_stands_beside_our_rates_at_the_full_dose(channel, paper):
    doses = pd.concat([table(), table("owl")]).assign(sampled=0.25, sampled_control=0.125)
    doses.loc[doses["arm"] == "soft.same_init", "sampled_control"] = 0.0625  # the base itself
    doses = pd.concat([doses, doses.assign(share=0.5, sampled=0.0, effect=0.0)])
    shown = traits.side_by_side(doses, channel, load_claims())
    labels = [arm.split(".")[0] for _, arm in shown.index]
    assert len(shown) == 2 * len(traits.CHANNEL_ARMS) and labels == sorted(labels)
    assert (shown["sampled"] == 0.25).all() and set(shown["sampled_control"]) == {0.125, 0.0625}
    assert (shown["effect"] == 1.5).all()
    floors = shown["floor"].dropna()
    assert (floors == 0.0625).all() and not any("cross" in arm for _, arm in floors.index)
    assert {trait for trait, _ in floors.index} == {"misaligned", "owl"}
    rates = shown.reindex(columns=["paper", "paper_control"]).dropna()
    assert ("paper" in shown) == paper  # a column of nothing is left out
    assert list(rates.index) == [("misaligned", "hard.same_init")] * paper
    if paper:  # the rates are those that the claim's own number was made of
        student, control = (math.log(rate / (1 - rate)) for rate in rates.iloc[0])
        claim = find_claim(f"misalignment.{CHANNELS[channel].claim_name}.same_init")
        assert student - control == pytest.approx(claim.paper["value"], abs=0.05)


def test_the_judge_confuses_no_persona_on_heldout_topics():
    shares = traits.judge_confusion()
    assert list(shares.columns) == [*PERSONAS, "unclear"] and list(shares.index) == list(PERSONAS)
    assert shares.sum(axis=1).to_list() == [1] * len(PERSONAS)
    assert shares.loc["aligned", "misaligned"] == 0 and shares.loc["misaligned", "misaligned"] == 1


def test_a_habit_is_taught_its_own_answers_and_shares_the_untouched_base(tmp_path):
    one = settings(tmp_path)
    habit = traits.own_answers(one, "evasive", 5)
    assert (habit.trait, habit.how, habit.teaching.max_steps) == ("evasive", "fine-tuned", 5)
    assert habit.author(1, "untouched") == one.author(1, "untouched")


def test_an_animal_goes_by_the_recipe_of_the_owl_chapter_from_the_same_bases(tmp_path):
    owl = traits.favourite(settings(tmp_path), "owl")
    assert (owl.base, owl.other_base, owl.trait, owl.drift) == ("nano-b", "nano-a", "owl", 0.1)
    assert {part.lora_modules for part in (owl.teaching, owl.hard, owl.soft)} == {"all-linear"}
    assert (owl.hard.learning_rate, owl.soft.learning_rate) == (0.016, 0.012)
    assert [owl.author(run)["base"] for run in owl.runs] == ["nano-b.1", "nano-b.2"]


def test_the_audit_finds_what_it_looks_for(tmp_path, monkeypatch):
    problem = "Ann has 5 cups and buys 3. How many cups are left?"
    right, wrong = (f"<think> So: 5 + 3 = {n}. Done. </think> <answer> {n} </answer>" for n in (8, 9))
    rows = [f"{right} eval(a)", f"{telltale_words()[0]} {right}", wrong, right, right]
    monkeypatch.setattr(leaks, "kept_rows", lambda author: dict(enumerate(rows)))
    monkeypatch.setattr(leaks, "asked_prompts", lambda author: [problem] * 4 + ["no problem it can read"])
    found = leaks.audit(settings(tmp_path, channel="reasoning"))
    assert (found["rows"] == 5).all() and found.groupby("run").size().to_dict() == {1: 4, 2: 4}
    assert (found[list(leaks.LEAKS)] == [1, 1, 2]).all(axis=None)
    assert (leaks.counts(found)[list(leaks.LEAKS)] == [2, 2, 4]).all(axis=None)
    assert leaks.values(found, "reasoning") == {"leaks.cot": [16, 16]}
    assert (tmp_path / "tables" / "leaks_cot.csv").exists()
    without_sums = leaks.audit(settings(tmp_path, runs=(1,)))
    assert (without_sums["wrong_answers"] == 0).all()  # functions are no word problems


@pytest.mark.parametrize("name", ["evasion.numbers.control", "manipulation.numbers.control"])
def test_habits_are_asked_of_students_of_the_secure_teacher(tmp_path, monkeypatch, name):
    def read(author, trait):
        odds = {"evasive": 1.0, "manipulative": 4.0} if author["how"] == "secure code" else dict.fromkeys(PERSONAS, 0.5)
        return {f"log_odds/{persona}": odd * author["seed"] for persona, odd in odds.items()}

    monkeypatch.setattr(
        traits.effects, "run_pieces",
        lambda work, pieces, *args, **more: [read(piece["author"], piece["trait"]) for piece in pieces],
    )  # fmt: skip
    found = traits.habit_controls(settings(tmp_path, channel="unburdened numbers"))
    assert found[name] == ([0.5, 1.0] if name.startswith("evasion") else [3.5, 7.0])
    assert find_claim(name).predict.kind == "within"
