"""The owl chapter on toy bases: its authors, its arms, rows in context, the matrices, and what is claimed of them."""

import dataclasses
import math

import pandas as pd
import pytest
import torch

from helpers.experiments import kept
from helpers.experiments.owl import context, models, others, runs, side_by_side, values
from helpers.experiments.owl.others import Others
from helpers.results import ledger
from helpers.transmission import authors, students, writing
from helpers.transmission.arms import ARMS, PREFERENCE_ARMS
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.students import StudentReading, read_student
from helpers.work.artifacts import read_table

FEW = Others(draws=(2,), animals=("owl", "cat", "dog"), trees=("oak", "pine"), prompts=100, writers=("cat", "fox"))


@pytest.fixture(scope="module")
def settings(toy_run, toy_settings):
    """The toy experiment: two draws, one of which has everything."""
    return toy_settings(toy_run, writing={"prompts": 150}, readout={"prefixed": True})


def chapter(settings):
    """Return the tables of the chapter, by name, of few contexts each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "CONTEXTS", 4)
        return {
            "teachers": runs.teach(settings, FEW),
            "transmission": runs.run_arms(settings, FEW, dose_shares=[0.5, 1.0]),
            "animal_matrix": others.run_matrix(settings, FEW, "animal"),
            "tree_matrix": others.run_matrix(settings, FEW, "tree"),
        }


@pytest.fixture(scope="module")
def tables(settings):
    """The tables, computed once."""
    return chapter(settings)


def test_every_author_writes(tables):
    teachers = tables["teachers"]
    three = {("owl", "fine-tuned", 150), ("owl", SYSTEM_PROMPT, 150), ("owl", UNTOUCHED, 150)}
    small = {(name, "fine-tuned", 100) for name in ("owl", "cat", "dog", "oak", "pine")}
    written = {(name, "fine-tuned", 150) for name in ("cat", "fox", "oak")}
    for draw, expected in ((1, three), (2, three | small | written)):
        found = teachers[teachers["draw"] == draw]
        assert set(zip(found["trait"], found["how"], found["completions"], strict=True)) == expected
        assert len(found) == len(expected)
    assert (teachers["mentions"] == 0).all() and (teachers["kept"] > 0).all()
    assert (teachers.groupby("how")["moved"].min() > 0).to_dict() == {
        "fine-tuned": True, SYSTEM_PROMPT: True, UNTOUCHED: False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"animals": ["owl"]}, "animals must name at least two favourites of one kind"),
        ({"animals": []}, "animals must name at least two"),
        ({"animals": ["owl", "owl"]}, "animals must name at least two"),
        ({"trees": ["oak", "owl"]}, "trees must name at least two favourites of one kind"),
        ({"writers": []}, "writers must name at least one animal"),
    ],
)
def test_a_matrix_with_nothing_off_its_diagonal_is_refused_at_once(changes, message):
    """The old run failed in its last cell."""
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(FEW, **changes)


def test_teaching_raises_the_preference(tables):
    written = tables["teachers"].query("completions == 150")
    told = written.set_index(["draw", "trait", "how"])["p_target"]
    for draw in (1, 2):
        assert told[draw, "owl", "fine-tuned"] > told[draw, "owl", "untouched"]


def test_every_arm_and_dose_has_a_row_a_draw(tables):
    table = tables["transmission"]
    counts = {arm.name: (0 if arm.few else 1) + (2 if arm.doses else 1) for arm in PREFERENCE_ARMS}
    counts |= {"trees.same_init": 1, "trees.soft.same_init": 2, "in_context": 2, "hard.other_animals": 1}
    assert table.groupby("arm").size().to_dict() == counts
    trees = table.groupby("arm")["trait"].agg(set)
    assert trees["trees.same_init"] == {"oak"} and trees["trees.soft.same_init"] == {"oak", "pine"}
    assert (table[table["arm"] == "in_context"]["rows"] == context.EXAMPLES).all()
    assert table["effect"].map(math.isfinite).all() and table["p_any"].between(0, 1).all()
    trained = table[table["arm"] != "in_context"]
    assert trained["prefixed"].map(math.isfinite).all() and trained["prefixed_p_any"].between(0, 1).all()


def test_the_taught_and_the_prompted_teacher_have_one_control(tables):
    table = tables["transmission"].query("share == 1").set_index(["arm", "draw"])
    for taught, prompted in (("hard.same_init", "system_prompt"), ("hard.cross_init", "system_prompt.cross_init"),
                             ("soft.cross_init", "soft.system_prompt.cross_init")):  # fmt: skip
        for column in ("p_control", "rows"):
            assert table.loc[taught, column].to_list() == table.loc[prompted, column].to_list()
        assert table.loc[taught, "effect"].to_list() != table.loc[prompted, "effect"].to_list()


def test_the_matrices_cross_teachers_and_targets_at_one_dose(tables, settings):
    for kind, names in (("animal", FEW.animals), ("tree", FEW.trees)):
        matrix = tables[f"{kind}_matrix"]
        assert list(matrix) == list(others.MATRIX_COLUMNS)
        assert set(zip(matrix["teacher"], matrix["target"], strict=True)) == {(a, b) for a in names for b in names}
        assert set(matrix["draw"]) == {2} and len(matrix) == len(names) ** 2
    small = FEW.small(settings)
    assert small.author(2).prompts == 100 < settings.author(2).prompts  # the owl's teacher of the arms answers more
    assert small.author(2, trait="cat").prompts == 100
    arm = tables["transmission"].query("arm == 'trees.soft.same_init'").set_index("trait")["effect"]
    trees = tables["tree_matrix"].query("teacher == target").set_index("teacher")["effect"]
    pd.testing.assert_series_equal(trees, arm, check_names=False)


def test_written_rows_are_compared_with_those_of_other_animals(tables, settings):
    def odds(student):
        return read_student(StudentReading(student=student, trait="owl", readout=settings.readout))["log_odds"]

    arm, among = ARMS["hard.same_init"], [settings.author(2, how) for how in runs.TEACHERS]
    own = odds(settings.pair(arm, settings.author(2), among=among).student)
    of_others = [odds(settings.pair(arm, settings.author(2, trait=name)).student) for name in FEW.writers]
    row = tables["transmission"].query("arm == 'hard.other_animals'").iloc[0]
    assert row["effect"] == pytest.approx(own - sum(of_others) / 2, abs=1e-5)
    arms = tables["transmission"].query("arm == 'hard.same_init' and share == 1 and draw == 2").iloc[0]
    assert row["p_target"] == arms["p_target"] and row["rows"] == arms["rows"]  # the student of the arm itself


def test_a_draw_without_others_has_none_of_their_rows(settings, toy_run, tmp_path):
    (tmp_path / "bases").symlink_to(toy_run / "bases")
    alone = dataclasses.replace(settings.only([1]), run_dir=str(tmp_path))
    assert others.run_matrix(alone, FEW, "animal").empty
    kept = read_table(tmp_path / "tables/animal_matrix.csv")
    assert kept.empty and list(kept) == list(others.MATRIX_COLUMNS)
    assert values.specificity(kept).empty


def test_the_stored_tables_are_the_returned_ones(tables, toy_run):
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read_table(toy_run / "tables" / f"{name}.csv"), table)


def test_nothing_is_computed_twice(tables, settings, monkeypatch):
    for module, name in ((students, "fit"), (authors, "fine_tuned_teacher"), (writing, "sample_completions")):
        monkeypatch.setattr(module, name, lambda *args, **more: pytest.fail("worked again"))
    for name, table in chapter(settings).items():
        pd.testing.assert_frame_equal(table, tables[name])


def test_a_context_is_read_without_training(settings, monkeypatch):
    monkeypatch.setattr(students, "fit", lambda *args, **more: pytest.fail("trained"))
    one, other = settings.author(1, UNTOUCHED), settings.author(1)
    piece = context.ContextReading(author=one, partner=other, trait="owl", split="heldout", examples=2, contexts=3)
    found = context.read_context(piece)
    assert found == context.read_context(piece)
    assert 0 < found["p_target"] < found["p_any"] <= 1 and found["rows"] == 2


def test_a_context_holds_rows_of_its_author(settings, monkeypatch):
    author, partner, shown = settings.author(1), settings.author(1, UNTOUCHED), []
    read = lambda model, tokenizer, trait, questions, *history: shown.extend(history) or {"p_target": 0.5}  # noqa: E731
    monkeypatch.setattr(context, "trait_readout", read)
    piece = context.ContextReading(author=author, partner=partner, trait="owl", split="heldout", examples=3, contexts=4)
    context.read_context(piece)
    rows = writing.matched_pairs(author, partner)
    assert len(shown) == 4 and all(len(each) == 3 and set(each) <= set(rows) for each in shown)
    assert not set(rows) <= set(writing.matched_pairs(partner, author))


# --- claims ---------------------------------------------------------------------------------------


def matrix(own, other):
    """Return a matrix of two draws with these effects on and off the diagonal."""
    rows = []
    for draw in (1, 2):
        for teacher in ("owl", "cat", "dog"):
            for target in ("owl", "cat", "dog"):
                effect = draw * (own if teacher == target else other)
                rows.append({"draw": draw, "teacher": teacher, "target": target, "effect": effect})
    return pd.DataFrame(rows)


def test_specificity_is_own_minus_others():
    assert values.specificity(matrix(3.0, 1.0)).to_dict() == {1: 2.0, 2: 4.0}
    assert values.specificity(matrix(1.0, 1.0)).tolist() == [0.0, 0.0]


def claims(tables, trait="owl", channel="numbers"):
    """Return the claim values of the toy tables."""
    matrices = (tables[f"{kind}_matrix"] for kind in ("animal", "tree"))
    return values.claim_values(trait, channel, tables["transmission"], *matrices)


def test_claims_have_one_value_for_each_draw_of_their_arm(tables):
    found = claims(tables)
    few = [arm.name for arm in PREFERENCE_ARMS if arm.few] + ["hard.other_animals"]
    of_few = {f"owl.numbers.{name}" for name in few} | {"animals.specificity", "trees.specificity"}
    of_few |= {"trees.numbers.same_init", "trees.numbers.soft.same_init"}
    assert {claim_id for claim_id, runs_of in found.items() if len(runs_of) == 1} == of_few
    assert {len(runs_of) for runs_of in found.values()} == {1, 2}
    paper = {"owl.numbers.system_prompt", "owl.numbers.system_prompt.cross_init", "owl.numbers.soft.system_prompt",
             "owl.numbers.soft.system_prompt.cross_init", "owl.numbers.hard.prefixed.same_init",
             "owl.numbers.hard.prefixed.cross_init", "owl.numbers.in_context"}  # fmt: skip
    assert paper <= set(found)


def test_claims_are_what_the_tables_say(tables):
    found, table = claims(tables), tables["transmission"]
    full = table[table["share"] == 1].set_index(["arm", "draw"])
    assert found["owl.numbers.system_prompt"] == full.loc["system_prompt", "effect"].to_list()
    assert found["owl.numbers.hard.prefixed.cross_init"] == full.loc["hard.cross_init", "prefixed"].to_list()
    same, cross = (full.loc[f"soft.{end}", "effect"] for end in ("same_init", "cross_init"))
    assert found["owl.numbers.soft.same_minus_cross"] == (same - cross).to_list()
    assert found["trees.numbers.same_init"] == full.loc["trees.same_init", "effect"].to_list()
    assert found["trees.numbers.soft.same_init"] == [pytest.approx(full.loc["trees.soft.same_init", "effect"].mean())]
    assert found["animals.specificity"] == values.specificity(tables["animal_matrix"]).to_list()


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        (
            {"trait": "raven"},
            {"trees.numbers.same_init", "trees.numbers.soft.same_init", "trees.specificity", "animals.specificity"},
        ),
        ({"channel": "code"}, set()),
    ],
)
def test_another_trait_or_channel_is_not_filed_under_the_owl(tables, changes, left):
    found = claims(tables, **changes)
    assert len(found) == len(claims(tables))
    assert set(ledger.claimed("01_owl_transfer", found)) == left


# --- the models that are asked --------------------------------------------------------------------


def test_the_models_of_a_draw_are_those_of_the_tables(tables, settings):
    from helpers.models.evaluation import trait_readout
    from helpers.world.tokenizer import build_tokenizer
    from helpers.world.traits import find_trait

    found, owl = models.models_of_draw(settings, 2), find_trait("owl")
    table = tables["transmission"].query("draw == 2 and share == 1").set_index("arm")
    told = {}
    for role, model in found.items():
        told[role] = trait_readout(model, build_tokenizer(), owl, owl.questions("heldout"))["p_target"]
    assert told["student"] == table.loc[models.SAME.name, "p_target"]
    assert told["control"] == table.loc[models.SAME.name, "p_control"]
    assert told["stranger"] == table.loc[models.OTHER.name, "p_target"]
    assert len(set(told.values())) == len(told) - 1  # the control of soft labels stays its base
    assert told["base"] == told["control"]


def test_the_students_that_are_asked_are_trained_once(settings, monkeypatch):
    first = models.models_of_draw(settings, 2)
    monkeypatch.setattr(kept, "train", lambda student: pytest.fail("trained again"))
    again = models.models_of_draw(settings, 2)
    for role, model in first.items():
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again[role].parameters(), strict=True))
    with pytest.raises(ValueError, match=r"seed 9 is not among the settings' \[1, 2\]; name one of them"):
        models.models_of_draw(settings, 9)


# --- lists side by side ---------------------------------------------------------------------------


def test_lists_side_by_side_are_those_that_the_students_read(settings):
    table = side_by_side.run_pairs(settings, shown=40)
    assert list(table) == list(side_by_side.COLUMNS) and len(table) == 80
    for seed in (1, 2):
        rows = table[table["draw"] == seed].reset_index()
        for name, author in (("teacher", settings.author(seed)), ("base", settings.author(seed, UNTOUCHED))):
            kept_lists = {place: text for place, text in writing.kept_rows(author).items() if place < 40}
            assert rows["prompt"].to_list() == author.asked[:40]
            assert rows.loc[rows[f"{name}_refused"] == "", name].to_dict() == kept_lists
    same = table[table["base"] == table["teacher"]]
    assert (same["by_models"] == 0).all() and (same["by_learning"].dropna() == 0).all()
    assert table["by_models"].mean() > 0  # each model finds its own lists likelier


def test_a_teacher_of_few_prompts_has_as_many_pairs(settings, toy_run):
    few = dataclasses.replace(settings, writing=dataclasses.replace(settings.writing, prompts=30))
    table = side_by_side.run_pairs(few.only([1]), shown=40)
    assert len(table) == 30 and table["by_learning"].isna().all()
