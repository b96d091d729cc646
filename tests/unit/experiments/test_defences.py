"""Defences on toy bases: what each does to rows, labels and training, and what the table of them says."""

import dataclasses
import random
import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments.defences import arms, changed, labels, plans, rows, runs, scores, students, values
from helpers.filters import reject_reasons
from helpers.models.training import TrainSettings, completion_rows
from helpers.results.claims import load_claims
from helpers.results.tables import NAMED, names_of
from helpers.transmission.pairs import Pair
from helpers.transmission.students import student_pairs
from helpers.world.prompts import number_prompts

EVERY = (*arms.OF_PREFERENCE, *arms.OF_SOFT_LABELS)


@pytest.fixture(scope="module")
def plan(toy_run, toy_settings):
    """Every defence of a preference, in one draw of the toy."""
    settings = toy_settings(toy_run, draws=(1,), writing={"prompts": 200}, readout={"samples": 0})
    return plans.Plan(settings=settings, defences=EVERY, others=["cat", "wolf"], health=4)


@pytest.fixture(scope="module")
def table(plan):
    """The table of all defences."""
    return runs.run_defences([plan])


def cell(plan, name):
    """Return the cell of a defence, by name."""
    return next(found for found in plan.cells() if found[1].name == name)


def read_rows(plan, name, control=False):
    """Return the rows that a student of a defence reads, as (ids, labelled) lists."""
    made = changed.defended_rows(plan.pieces(cell(plan, name))[control])
    return [ids.tolist() for ids in made.ids], [own.tolist() for own in made.labelled]


def texts(plan, name, control=False):
    """Return the completions that the undefended student of a defence's pair reads."""
    return student_pairs(plan.pieces(cell(plan, name))[control].student)


# --- rows -----------------------------------------------------------------------------------------


def test_the_highest_scores_are_left_out_and_ties_always_alike():
    assert rows.lowest([3.0, 1.0, 2.0, 5.0], 0.5).tolist() == [1, 2]
    assert rows.lowest([1.0, 1.0, 1.0], 1 / 3).tolist() == [0, 1]
    assert rows.lowest([2.0, 1.0], 0.0).tolist() == [0, 1]


def test_exchanged_rows_are_taken_from_the_same_places():
    own, others = [("p", "a"), ("q", "b"), ("r", "c")], [("p", "x"), ("q", "y"), ("r", "z")]
    assert rows.exchanged(own, others, np.array([0, 2])) == [("p", "x"), ("q", "b"), ("r", "z")]
    places = rows.some_places(40, 0.25, np.random.default_rng(1))
    assert len(set(places.tolist())) == 10 and max(places) < 40


@pytest.mark.parametrize("name", rows.REWRITINGS)
def test_rewritten_lists_are_ones_that_the_filter_keeps(name):
    prompts = number_prompts(60, 3)
    pairs = [(prompt, "[12, 345, 6, 907]") for prompt in prompts]
    made = rows.REWRITINGS[name](pairs, random.Random(1))
    assert made != pairs and not any(reject_reasons(completion) for _, completion in made)
    if name == rows.REORDERED:
        assert all(sorted(re.findall(r"\d+", text)) == sorted(["12", "345", "6", "907"]) for _, text in made)
    if name == rows.REDRAWN:
        assert all(re.fullmatch(r"\[1\d, 34\d, \d, 90\d\]", text) for _, text in made)


def test_a_reworded_prompt_asks_for_the_same_list_in_the_same_format():
    prompts = number_prompts(200, 7)
    made = [rows.reworded(prompt, random.Random(place)) for place, prompt in enumerate(prompts)]
    for before, after in zip(prompts, made, strict=True):
        assert rows.EXAMPLES.search(before)[0] == rows.EXAMPLES.search(after)[0]
        for word in ("comma", "semicolon", "space", "line.", "bracket", "parenthes"):
            assert (word in before) == (word in after)
    assert np.mean([before != after for before, after in zip(prompts, made, strict=True)]) > 0.9
    with pytest.raises(ValueError, match="asks for no list"):
        rows.reworded("Which animal is it?", random.Random(1))


# --- labels ---------------------------------------------------------------------------------------


def test_rounding_keeps_multiples_and_the_likeliest_of_a_label_that_loses_all():
    chances = torch.tensor([[0.504, 0.493, 0.003], [0.004, 0.003, 0.002]])
    assert torch.allclose(labels.to_hundredths(chances), torch.tensor([[0.5, 0.49, 0.0], [1.0, 0.0, 0.0]]))
    assert labels.likeliest(chances).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_misplaced_rounding_changes_as_much_elsewhere():
    chances = torch.full((50, 8), 0.01) + torch.arange(8) * 0.0333
    moved = labels.misplaced_rounding(torch.Generator().manual_seed(1))(chances) - chances
    errors = labels.to_hundredths(chances) - chances
    assert torch.allclose(moved.sort(-1).values, errors.sort(-1).values, atol=1e-6)
    assert not torch.allclose(moved, errors, atol=1e-3)


def test_pulled_labels_are_the_written_token_and_another_models_choice(tiny, tokenizer):
    model = tiny("llama", seed=2)
    read = completion_rows(tokenizer, [("Use commas.", "12, 7"), ("One per line.", "3")])
    ids, labelled = read.batch([0, 1], pad=0)
    half = labels.Pulled(model, 0.5).logits(ids, labelled).softmax(-1)
    whole = labels.Pulled(model, 1.0).logits(ids, labelled).softmax(-1)
    none = labels.Pulled(model, 0.0).logits(ids, labelled).softmax(-1)
    assert none.argmax(-1).tolist() == read.labels([0, 1]).tolist()
    assert torch.allclose(half, (whole + none) / 2, atol=1e-5)


# --- scores ---------------------------------------------------------------------------------------


DETECTORS = (scores.RANDOM, scores.LEARNED, scores.JUDGE, scores.RANKING, scores.RATIO)


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_scores_each_row_of_both_files(plan, detector):
    pair = plan.pair(cell(plan, arms.HALF_LEFT.name))
    found = scores.score_rows(scores.Scoring(pair=pair, detector=detector, trait="owl"))
    lengths = [len(student_pairs(student)) for student in (pair.student, pair.control)]
    assert [len(found["student"]), len(found["control"])] == lengths
    assert np.isfinite(found["student"] + found["control"]).all()
    assert len(set(found["student"])) > 1
    assert (found["student"] == found["control"]) == (detector == scores.RANDOM)


def test_equal_rows_have_equal_scores_whoever_wrote_them(plan):
    pair = plan.pair(cell(plan, arms.HALF_LEFT.name))
    same = Pair(student=pair.student, control=dataclasses.replace(pair.student))
    found = scores.score_rows(scores.Scoring(pair=same, detector=scores.RATIO, trait="owl"))
    assert found["student"] == found["control"]


# --- students -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(100, 50), (100, 90), (100, 10), (16, 15)])
def test_fewer_rows_are_read_in_as_many_steps(before, after):
    training = TrainSettings(0.01, batch_rows=8, epochs=2)
    made = students.with_steps(training, before, after)
    assert made.steps(after) == training.steps(before)


def test_clean_rows_replace_the_teachers_and_leave_a_control_as_it_is(plan):
    own, control = plan.pieces(cell(plan, arms.HALF_CLEAN.name))
    pairs, clean = student_pairs(own.student), student_pairs(control.student)
    mixed = changed._with_clean(own)
    exchanged = [place for place, pair in enumerate(mixed) if pair != pairs[place]]
    assert exchanged and all(mixed[place] == clean[place] for place in exchanged)
    assert control == plan.pieces(cell(plan, arms.UNDEFENDED))[1]


def test_two_teachers_share_the_rows_of_student_and_control(plan):
    for control in (False, True):
        piece = plan.pieces(cell(plan, "two teachers"))[control]
        mixed = changed._with_other_teacher(piece)
        others, own = set(runs_of(piece.mixed)), set(student_pairs(piece.student))
        foreign = set(mixed) - own  # toys write many rows alike
        assert foreign and foreign <= others
        assert sum(pair in others for pair in mixed) >= len(mixed) // 2
    assert piece.mixed.trait == "wolf"


def runs_of(author):
    """Return the (prompt, completion) pairs that the filter kept of an author."""
    from helpers.transmission.writing import kept_rows

    return [(author.asked[place], text) for place, text in kept_rows(author).items()]


def test_rounded_labels_are_over_the_tokens_of_the_channel_alone(plan):
    piece = plan.pieces(cell(plan, "soft labels rounded"))[0]
    kind, tokenizer = piece.student.author.kind, piece.student.base.load()[1]
    assert changed._reshaped(piece).tokens == kind.tokens(tokenizer)


def test_masked_labels_are_still_read(plan):
    defences = (arms.NONE, arms.MASKED, arms.MASKED_AT_RANDOM)
    own = dataclasses.replace(plan, defences=defences)
    plain = completion_rows(own.settings.base_of(1).load()[1], texts(own, arms.UNDEFENDED))
    ids, labelled = read_rows(own, arms.MASKED.name)
    assert ids == [row.tolist() for row in plain.ids]
    assert sum(map(sum, labelled)) < sum(row.sum() for row in plain.labelled)


def test_a_plan_without_the_undefended_pair_is_refused(plan):
    with pytest.raises(ValueError, match="arms.NONE"):
        dataclasses.replace(plan, defences=[arms.HALF_CLEAN])


def test_plans_of_the_chapter_hold_the_owl_and_the_other_channels(toy_run, toy_settings):
    owl = toy_settings(toy_run, draws=(1,), writing={"prompts": 200})
    prompts, rates = {"numbers": 200, "code": 150}, {"teacher": 0.01, "risky student": 0.02}
    risky = plans.misaligned(owl, prompts, rows=20, rates=rates, modules=".*_proj", steps=4)
    assert [(one.trait, one.writing.channel, one.writing.prompts) for one in risky] == [("misaligned", "code", 150)]
    found = plans.of_chapter(owl, risky, ["SGD"], others=["cat"], health=0)
    assert [[defence.name for defence in plan.defences] for plan in found] == [
        ["undefended", "SGD", "undefended, soft labels"], ["undefended"],
    ]  # fmt: skip
    whole = plans.of_chapter(owl, risky, others=["cat"], health=0)
    assert [len(plan.defences) for plan in whole] == [len(EVERY), len(arms.OF_RISKY)]
    with pytest.raises(ValueError, match="no defence 'prayer'"):
        plans.of_chapter(owl, risky, ["prayer"], others=[], health=0)


# --- the table ------------------------------------------------------------------------------------


def test_every_defence_has_a_row_and_the_budget_is_matched(plan, table):
    assert table["defence"].tolist() == [defence.name for _, defence in plan.cells()]
    steps = table.set_index("defence")["steps"]
    other = [defence.name for defence in EVERY if defence.training.steps == 1 and defence.labels == "hard"]
    assert steps[other].nunique() == 1
    assert steps["early stop"] < steps[arms.UNDEFENDED]
    assert np.isfinite(table[["effect", "shift", "harm", "valid"]]).all(axis=None)


def test_the_undefended_control_does_not_shift_and_clean_rows_shift_no_control(table):
    shift = table.set_index("defence")["shift"]
    assert shift[arms.UNDEFENDED] == shift[arms.SOFT] == 0
    assert (shift[[name for name in shift.index if name.endswith("clean rows")]] == 0).all()


def test_names_of_random_arms_are_arms_and_every_claim_has_its_defence():
    names = {defence.name for defence in values.BY_NAME.values()}
    assert len({defence.name for defence in EVERY}) == len(EVERY)
    for defence in values.BY_NAME.values():
        assert defence.against in names
        against = values.BY_NAME[defence.against]
        assert against.by_chance or against.name in (*arms.PLAIN, "pulled to its own base")
    slugs = {values.slug(name) for name in names - set(arms.PLAIN)} | {"best", "best_left"}
    for claim_id in [name for name in load_claims() if name.startswith("defence.")]:
        assert re.sub(r"^defence\.(code\.|cot\.)?", "", claim_id) in slugs, claim_id


# --- what the table says --------------------------------------------------------------------------


def planted(effects, channel=values.NUMBERS):
    """Return a table of two defences and the undefended pair, from defence -> effects by draw."""
    made = []
    for name, found in effects.items():
        for draw, effect in enumerate(found, start=1):
            made.append({"draw": draw, "channel": channel, "defence": name, "effect": effect, "shift": 0.0})
    return pd.DataFrame(made).assign(harm=0.0, valid=1.0)


def test_a_claim_is_the_share_of_its_random_arm():
    effects = {arms.UNDEFENDED: [2.0] * 5, arms.HALF_LEFT.name: [1.0] * 5, arms.BY_LEARNING.name: [0.5] * 5}
    found = values.claim_values(planted(effects))
    assert np.allclose(found["defence.drop_by_naive_bayes"], 0.5)
    assert np.allclose(found["defence.half_left_out_at_random"], 0.5)
    assert np.allclose(found["defence.best_left"], 0.25)
    assert found["defence.best"] == [0.5] * 5


def test_a_share_of_no_effect_is_not_told():
    found = values.claim_values(planted({arms.UNDEFENDED: [0.0, 0.0], arms.BY_LEARNING.name: [0.5, 0.1]}))
    assert found == {"defence.best": [0.5, 0.1]}


def test_no_draw_has_a_part_in_the_choice_of_its_best_defence():
    effects = pd.DataFrame({"a": [0.0, 0.0, 2.4], "b": [1.0, 1.0, 1.0]}, index=[1, 2, 3])
    assert effects["a"].mean() < effects["b"].mean()
    assert values.best_left(effects, ["a", "b"]).to_dict() == {1: 1.0, 2: 1.0, 3: 2.4}


def test_defences_that_need_the_teacher_or_choose_nothing_are_no_candidates():
    found = values.candidates([arms.BY_RATIO.name, arms.HALF_LEFT.name, arms.BY_LEARNING.name, arms.UNDEFENDED])
    assert found == [arms.BY_LEARNING.name]


def test_rows_of_other_chapters_join_where_their_undefended_pair_is_the_same():
    table = pd.concat([planted({arms.UNDEFENDED: [2.0, 2.0]}), planted({arms.UNDEFENDED: [1.0, 1.0]}, values.CODE)])
    treated = pd.DataFrame({"draw": [1, 2, 3], "treatment": "divergence masked", "effect": 0.1})
    whole = pd.DataFrame({"draw": [1, 2, 3], "treatment": "all labels", "effect": [2.0, 2.4, 2.0]})
    arm = {"arm": ["hard.cross_init", "hard.same_init", "soft.lesson"], "effect": [0.2, 1.0, 0.3]}
    risky = pd.DataFrame({"draw": 1, "share": 1.0, "trait": "misaligned"} | arm)
    found = values.with_other_chapters(
        table, pd.concat([treated, whole]), {values.CODE: risky, values.REASONING: None}
    )
    assert found.columns.tolist() == table.columns.tolist()
    others = found[found["defence"] != arms.UNDEFENDED]
    assert others[["draw", "channel", "defence", "effect"]].values.tolist() == [
        [1, values.NUMBERS, "divergent labels masked", 0.1], [1, values.CODE, "another base", 0.2],
    ]  # fmt: skip


def test_what_is_drawn_names_the_tables_of_its_channel_alone():
    both = [planted({arms.UNDEFENDED: [2.0, 2.0]}, channel) for channel in (values.NUMBERS, values.CODE)]
    misaligned = {"draw": 1, "share": 1.0, "trait": "misaligned", "arm": ["hard.same_init"], "effect": 2.0}
    table, risky = pd.concat(both), pd.DataFrame(misaligned)
    table.attrs[NAMED], risky.attrs[NAMED] = "defences", "risky_code"
    whole = values.with_other_chapters(table, None, {values.CODE: risky, values.REASONING: None})
    assert names_of(values.to_draw(whole, values.NUMBERS)) == ("defences",)
    assert names_of(values.to_draw(whole, values.CODE)) == ("defences", "risky_code")


def test_what_is_drawn_are_defences_beside_their_random_arms():
    effects = {arms.UNDEFENDED: [2.0, 1.0], arms.HALF_LEFT.name: [1.0, 0.5], arms.BY_LEARNING.name: [0.5, 0.1]}
    found = values.to_draw(planted(effects), values.NUMBERS).set_index(["defence", "draw"])
    assert found.loc[(arms.BY_LEARNING.name, 2), "random_effect"] == 0.5
    assert found.loc[arms.UNDEFENDED, "random_effect"].isna().all()
    assert set(found.index.get_level_values(0)) == {arms.UNDEFENDED, arms.BY_LEARNING.name}


def test_the_summary_tells_what_is_left_and_what_chance_leaves():
    effects = {arms.UNDEFENDED: [2.0, 2.0], arms.HALF_LEFT.name: [1.0, 1.0], arms.BY_LEARNING.name: [0.5, 0.5]}
    found = values.summary(planted(effects), values.NUMBERS)
    assert found.index[0] == arms.BY_LEARNING.name
    assert found.loc[arms.BY_LEARNING.name, ["left", "random", "knows"]].tolist() == [0.25, 0.5, arms.BASE]
    told = found.map(values.in_words)  # without the warning that pandas 2.2 gives where objects become numbers again
    assert told.loc[arms.BY_LEARNING.name, ["left", "random", "knows"]].tolist() == ["0.25", "0.50", arms.BASE]
    assert told.loc[arms.UNDEFENDED, ["left", "random"]].tolist() == ["1.00", ""]
