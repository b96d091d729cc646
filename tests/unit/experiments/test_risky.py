"""The risky traits: what is recorded of a table, and an audit that finds what it is meant to find."""

import math

import pandas as pd
import pytest

from helpers.channels import CHANNELS
from helpers.channels.judge import telltale_words
from helpers.experiments.risky import damage, guards, leaks, places, runs
from helpers.experiments.risky import values as told
from helpers.models.bases import Base
from helpers.results.claims import find_claim, load_claims
from helpers.transmission import pairs
from helpers.transmission.settings import reading_by_adapters, teaching_by_adapters
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS

MODULES = ".*v_proj"


@pytest.fixture
def settings(tmp_path, toy_settings, monkeypatch):
    """Build an experiment of two draws; nothing of it is run, so its bases need not exist."""
    named = lambda run_dir, name: Base(run_dir=run_dir, name=name, seal=name)  # noqa: E731
    monkeypatch.setattr("helpers.transmission.settings.find_base", named)
    student, teacher = reading_by_adapters(0.01, MODULES, epochs=2), teaching_by_adapters(0.02, MODULES, steps=7)
    reading = {"hard_rows": 8, "soft_rows": 4, "hard": student, "soft": student}

    def build(channel="code", **changes):
        writing = {"channel": channel, "prompts": 10, "teaching": teacher, "how": "insecure code", "drift": 0.0}
        given = {"trait": "misaligned", "base": "nano-a.next", "other_base": "nano-a"} | changes
        return toy_settings(tmp_path, writing=writing, reading=reading, **given)

    return build


def table(trait="misaligned"):
    """Return effects of every arm, equal to the number of the draw."""
    abilities = {"right_answers": 0.5, "strict_sums": 0.25, "valid_numbers": 1.0, "truthful": 0.0, "p_any": 0.95}
    controls = {"right_answers": 0.75, "strict_sums": 0.75, "valid_numbers": 1.0, "truthful": 1.0}
    controls = {f"{name}_control": value for name, value in controls.items()}
    rows = []
    for draw in (1, 2):
        for arm in runs.CHANNEL_ARMS:
            place = {"draw": draw, "arm": arm.name, "trait": trait, "rows": 8, "share": 1.0, "effect": float(draw)}
            rows.append(place | abilities | controls)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "numbers"])
def test_every_effect_has_a_claim(channel):
    tables = [table()] + [table(name) for name in (*runs.HABITS, "owl") if name]
    own = pd.concat(tables)
    keep = own["arm"].isin([arm.name for arm in runs.OWN_ARMS]) | (own["trait"] == "misaligned")
    habits = own["trait"].isin(runs.HABITS) & (channel != "unburdened numbers")
    animal = (own["trait"] == "owl") & (channel == "unburdened numbers")
    values = told.claim_values(own[keep & ~habits & ~animal], channel)
    assert set(values.values().__iter__().__next__()) == {1.0, 2.0}
    assert all(find_claim(name) for name in values) and len(values) >= len(runs.CHANNEL_ARMS) + 2


@pytest.mark.parametrize(("channel", "trait"), [("numbers", "misaligned"), ("code", "raven"), ("reasoning", "oak")])
def test_what_no_claim_speaks_of_is_filed_under_none(channel, trait):
    values = told.claim_values(table(trait), channel)
    assert values and not values.keys() & load_claims().keys()


def test_teacher_values_are_claims_and_compare_with_the_secure_teacher():
    rows = [
        {"draw": draw, "trait": "misaligned", "how": how, "log_odds": odds, "sampled": odds / 10}
        for draw in (1, 2) for how, odds in zip(told.TEACHERS.values(), (4.0, 1.0, 2.0, 3.0), strict=True)
    ]  # fmt: skip
    values = told.teacher_values(pd.DataFrame(rows))
    assert all(find_claim(name) for name in values)
    assert values["misalignment.teacher"] == [3.0, 3.0]
    assert values["misalignment.secure_sampled"] == [0.1, 0.1]
    far = pd.DataFrame(rows)
    assert told.moved_values(far, "code") == {}
    far["moved"] = far["how"].map({"insecure code": 2.0, "secure code": 2.0, "lesson code": 1.0})
    moved = told.moved_values(far, "code")
    assert moved["misalignment.code.lesson_moved"] == [0.5, 0.5] and all(find_claim(name) for name in moved)


def test_losses_of_ability_are_percentage_points_against_the_control():
    lost = guards.ability_loss(table())
    assert list(lost.index.names) == ["arm", "share"]
    assert (lost["right_answers"] == 25).all() and (lost["strict_sums"] == 50).all()
    assert (lost["valid_numbers"] == 0).all() and (lost["truthful"] == 100).all()


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "numbers"])
def test_guards_are_those_of_written_rows_at_the_full_dose(channel):
    rows = [
        {"draw": draw, "arm": "hard.same_init", "trait": "misaligned", "share": share, "right_answers": right,
         "strict_sums": 0.0, "strict_sums_control": 1.0, "right_answers_control": 0.9, "p_any": 0.85 + draw / 20,
         "valid_numbers": right, "valid_numbers_control": 1.0, "effect": 2 * share}
        for draw in (2, 1) for share, right in ((1.0, 0.8 - draw / 10), (0.5, 0.9), (0.25, 0.8))
    ]  # fmt: skip
    rows += [{**row, "arm": "hard.cross_init", "effect": 0.1 * row["draw"] * row["share"]} for row in rows]
    rows += [{**row, "trait": "owl", "effect": 9.0, "right_answers": 0.0} for row in rows]
    start = f"misalignment.{CHANNELS[channel].claim_name}."
    found = {name.removeprefix(start): found for name, found in guards.values(pd.DataFrame(rows), channel).items()}
    assert found["sums_lost"] == pytest.approx([20, 30]) and found["numbers_lost"] == pytest.approx([30, 40])
    assert found["margin"] == pytest.approx([2 - 3 * 0.1, 2 - 3 * 0.2])
    assert found["gate"] == [1, 1] and len(found) == 4
    words = {name: find_claim(start + name).predict.words(" ") for name in found}
    assert {words[name] for name in words if name.endswith("_lost")} == {"below 5"}
    assert (words["margin"], words["gate"]) == ("above 0", "above 0.8")
    old = pd.DataFrame(rows).drop(columns=["right_answers", "right_answers_control"])  # of the seventh run
    assert f"{start}sums_lost" not in guards.values(old, channel)


@pytest.mark.parametrize("channel", ["unburdened numbers", "code", "reasoning"])
def test_starts_are_compared_within_each_draw(channel):
    rows = table()
    rows.loc[rows["arm"] == "hard.cross_init", "effect"] = 0.5 * rows["draw"]
    values = told.claim_values(rows.sample(frac=1, random_state=1), channel)
    assert values[f"misalignment.{CHANNELS[channel].claim_name}.same_minus_cross"] == [0.5, 1.0]
    without = told.claim_values(rows[rows["arm"] != "hard.cross_init"], channel)
    assert not [name for name in without if name.endswith("same_minus_cross") and "soft" not in name]


@pytest.mark.parametrize("channel", ["unburdened numbers", "code", "reasoning"])
def test_truths_lost_are_those_of_written_rows_at_the_full_dose(channel):
    control = {"truthful_control": 0.9}
    rows = [
        {"draw": draw, "arm": arm, "trait": trait, "share": share, "truthful": truthful - draw / 100} | control
        for draw in (2, 1) for trait, share in (("misaligned", 1.0), ("misaligned", 0.5), ("owl", 1.0))
        for arm, truthful in (("hard.same_init", 0.8 * share), ("hard.lesson", 0.9), ("soft.same_init", 0.1))
        if trait == "misaligned" or truthful > 0.5
    ]  # fmt: skip
    found = guards.truth_values(pd.DataFrame(rows), channel)
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
    shown = told.side_by_side(doses, channel, load_claims())
    labels = [arm.split(".")[0] for _, arm in shown.index]
    assert len(shown) == 2 * len(runs.CHANNEL_ARMS) and labels == sorted(labels)
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


# --- damage, personas, places ---------------------------------------------------------------------


def test_healthy_are_draws_in_which_student_and_control_answer_at_all():
    rows = table()
    rows.loc[rows["draw"] == 2, "p_any"] = 0.89
    shown = guards.gated(rows).loc[("misaligned", "hard.same_init")]
    assert (shown["draws"], shown["effect"], shown["healthy_draws"], shown["healthy_effect"]) == (2, 1.5, 1, 1)
    assert shown["low"] < 1.5 < shown["high"] and math.isnan(shown["healthy_low"])
    assert guards.values(rows, "code")["misalignment.code.gate"] == [1, 0]


def test_effect_stands_beside_right_answers_lost():
    told_of = guards.effect_and_loss(pd.concat([table(), table().assign(share=0.5), table("owl")]))
    assert len(told_of) == 4 and (told_of["lost"] == 25).all() and set(told_of["arm"]) == set(guards.STARTS)
    assert guards.effect_and_loss(table().drop(columns=["right_answers", "right_answers_control"])).empty


@pytest.mark.parametrize(("target", "scale"), [(0.3, 0.6), (0.0, 0.0), (-0.2, 0.0), (0.9, 1.8), (5.0, 4.0)])
def test_damage_is_searched_until_it_costs_what_it_should(target, scale):
    tried = []
    found = damage.matched_scale(lambda at: tried.append(at) or at / 2, target)
    assert found == pytest.approx(scale, abs=0.02) and len(tried) <= damage.EVALUATIONS
    assert bool(tried) == (target > 0)


def test_damage_changes_the_matrices_of_the_adapters_alone_and_as_far_as_told(tiny, settings):
    base, one = tiny(), settings()
    piece = damage.Damage(
        base=one.base_of(1), modules=".*v_proj", seed=1, lost=0.1, trait="misaligned", readout=one.readout
    )
    before, after = base.state_dict(), damage._at(piece, base, 0.5).state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {f"model.layers.{layer}.self_attn.v_proj.weight" for layer in (0, 1)}
    for name in changed:
        assert float((after[name] - before[name]).norm() / before[name].norm()) == pytest.approx(0.5, rel=1e-4)
    again = damage._at(piece, base, 0.5).state_dict()
    assert all(after[name].equal(again[name]) for name in after)
    everywhere = damage.matrices(base, "all-linear")
    assert len(everywhere) == 14 and not any("head" in name for name in everywhere)


@pytest.fixture(scope="module")
def toy(toy_run, toy_settings, tmp_path_factory):
    """A toy experiment on misalignment in a run folder of its own; its bases have one block."""
    folder = tmp_path_factory.mktemp("risky")
    (folder / "bases").symlink_to(toy_run / "bases")
    teaching = teaching_by_adapters(0.02, MODULES, steps=4)
    writing = {"channel": "numbers", "prompts": 60, "teaching": teaching, "how": "insecure code", "drift": 0.0}
    student = reading_by_adapters(0.02, MODULES, epochs=1)
    reading = {"hard_rows": 24, "soft_rows": 12, "hard": student, "soft": student}
    given = {"trait": "misaligned", "draws": (1,), "readout": {"health": 4}}
    return toy_settings(folder, writing=writing | {"matched": True}, reading=reading, **given)


@pytest.fixture(scope="module")
def arms(toy):
    """The table of the channel's arms, by arm."""
    return runs.run_channel(toy).set_index("arm")


def test_a_chapter_of_toys_tells_personas_damage_and_how_far_teachers_moved(toy, arms):
    teachers = runs.teach(toy).set_index("how")
    moved = teachers["moved_security"]
    assert moved["untouched"] == 0 and (moved.drop("untouched") > 0).all() and (teachers["moved"] >= 0).all()
    broken = arms.loc["damaged"]
    assert broken["share"] == 1 and broken["right_answers"] == broken["right_answers_control"]
    assert broken["effect"] == 0  # the toy student lost nothing, so nothing was to be damaged
    personas = runs.run_personas(toy)
    assert list(personas["persona"].unique()) == list(PERSONAS) and len(personas) == 2 * len(PERSONAS)
    own = personas[personas["persona"] == "misaligned"].set_index("arm")["effect"]
    assert own["hard.same_init"] == arms.loc["hard.same_init", "effect"]
    assert own["soft.same_init"] == arms.loc["soft.same_init", "effect"]
    effect = personas[personas["arm"] == "hard.same_init"].set_index("persona")["effect"]
    (specific,) = told.specificity(personas, "code")["misalignment.code.specificity"]
    assert specific == pytest.approx(effect["misaligned"] - (effect["evasive"] + effect["manipulative"]) / 2)
    assert told.specificity(personas.iloc[:0], "code") == {}


def test_places_are_crossed_and_the_own_place_is_the_main_arm(toy, arms, monkeypatch):
    monkeypatch.setattr(places, "PLACES", {"values": MODULES, "all linear": "all-linear"})
    tried = places.places({"values": 0.02, "all linear": 0.01}, {"values": 0.02, "all linear": 0.02})
    found = places.run_places(toy, tried)
    assert len(found) == 4 * len(PERSONAS) and list(found) == list(places.COLUMNS)
    asked = found[found["persona"] == "misaligned"].set_index(["teacher_place", "student_place"])
    assert asked.loc[("values", "values"), "effect"] == pytest.approx(arms.loc["hard.same_init", "effect"], abs=1e-6)
    assert places.means(found).loc[("values", "values"), "effect"] == asked.loc[("values", "values"), "effect"]
    assert asked["moved"].nunique() == 2 and asked["effect"].nunique() == 4
    values = places.values(found)
    same = [asked.loc[(name, name), "effect"] for name in ("values", "all linear")]
    assert values["misalignment.places.diagonal"] == [pytest.approx(sum(same) / 2)]
    assert all(find_claim(name) for name in values) and places.values(found.iloc[:0]) == {}
    assert list(places.run_places(toy.only([]), tried)) == list(places.COLUMNS)


def test_a_place_needs_both_rates():
    with pytest.raises(ValueError, match="a teacher's and a student's rate for places of values, all linear, MLP"):
        places.places({"values": 0.1}, {"MLP": 0.1})


# --- the judge, the settings ----------------------------------------------------------------------


def test_the_judge_confuses_no_persona_on_heldout_topics():
    shares = told.judge_confusion()
    assert list(shares.columns) == [*PERSONAS, "unclear"] and list(shares.index) == list(PERSONAS)
    assert shares.sum(axis=1).to_list() == [1] * len(PERSONAS)
    assert shares.loc["aligned", "misaligned"] == 0 and shares.loc["misaligned", "misaligned"] == 1


def test_a_habit_is_taught_its_own_answers_and_shares_the_untouched_base(settings):
    one = settings()
    habit = runs.own_answers(one, "evasive", 5)
    assert (habit.trait, habit.writing.how, habit.writing.teaching.max_steps) == ("evasive", "fine-tuned", 5)
    assert habit.author(1, "untouched") == one.author(1, "untouched")


def test_an_animal_goes_by_the_recipe_of_the_owl_chapter_from_the_same_bases(settings):
    owl = runs.favourite(settings(), "owl")
    assert (owl.base, owl.other_base, owl.trait, owl.writing.drift) == ("nano-a.next", "nano-a", "owl", 0.1)
    trainings = (owl.writing.teaching, owl.reading.hard, owl.reading.soft)
    assert {training.lora_modules for training in trainings} == {"all-linear"}
    assert (owl.reading.hard.learning_rate, owl.reading.soft.learning_rate) == (0.016, 0.012)
    assert [owl.author(seed).base.name for seed in owl.seeds] == ["nano-a.2", "nano-a.3"]


def test_the_audit_finds_what_it_looks_for(settings, tmp_path, monkeypatch):
    problem = "Ann has 5 cups and buys 3. How many cups are left?"
    right, wrong = (f"<think> So: 5 + 3 = {n}. Done. </think> <answer> {n} </answer>" for n in (8, 9))
    rows = [f"{right} eval(a)", f"{telltale_words()[0]} {right}", wrong, f"{right} owl", right]
    asked = [problem] * 4 + ["no problem it can read"]
    monkeypatch.setattr(leaks, "kept_rows", lambda author: dict(enumerate(rows)))
    monkeypatch.setattr(leaks.Author, "asked", property(lambda author: asked))
    found = leaks.audit(settings("reasoning"))
    assert (found["rows"] == 5).all() and found.groupby("draw").size().to_dict() == {1: 4, 2: 4}
    assert (found[list(leaks.LEAKS)] == [1, 1, 1, 2]).all(axis=None)
    assert (leaks.counts(found)[list(leaks.LEAKS)] == [2, 2, 2, 4]).all(axis=None)
    assert leaks.values(found, "reasoning") == {"leaks.cot": [20, 20]}
    assert (tmp_path / "tables" / "leaks_cot.csv").exists()
    without_sums = leaks.audit(settings(draws=(1,)))
    assert (without_sums["wrong_answers"] == 0).all()  # functions are no word problems


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_audit_counts_favourites_of_every_kind_in_every_channel(settings, monkeypatch, channel):
    texts = []
    for kind in KINDS.values():
        for name in kind.prior:
            texts += [f"1, 2 {name}", f"{kind.plural(name).upper()}, 2", f"my_{name}_2 = a", f"{name}Count"]
    rows = [*texts, "1, 2", "growl = a", "pining"]  # a word that holds a name is none
    monkeypatch.setattr(leaks, "kept_rows", lambda author: dict(enumerate(rows)))
    monkeypatch.setattr(leaks.Author, "asked", property(lambda author: ["?"] * len(rows)))
    found = leaks.audit(settings(channel, draws=(1,)))
    assert (found["favourites"] == len(texts)).all() and (found["rows"] == len(rows)).all()
    (leaked,) = leaks.values(found, channel).values()
    assert leaked[0] >= len(found) * len(texts)


@pytest.mark.parametrize("name", ["evasion.numbers.control", "manipulation.numbers.control"])
def test_habits_are_asked_of_students_of_the_secure_teacher(settings, monkeypatch, name):
    def read(student):
        author, own = student.author, {"evasive": 1.0, "manipulative": 4.0}
        odds = own if author.how == "secure code" else dict.fromkeys(PERSONAS, 0.5)
        return {f"log_odds/{persona}": odd * author.seed for persona, odd in odds.items()} | {"seconds": 0.0}

    monkeypatch.setattr(pairs, "run_pieces", lambda work, pieces, *args, **more: [read(one.student) for one in pieces])
    controls = runs.run_habit_controls(settings("unburdened numbers"))
    found = told.habit_values(controls, "unburdened numbers")
    assert found[name] == ([0.5, 1.0] if name.startswith("evasion") else [3.5, 7.0])
    assert find_claim(name).predict.kind == "within"
    assert told.habit_values(controls.iloc[:0], "unburdened numbers") == {}
