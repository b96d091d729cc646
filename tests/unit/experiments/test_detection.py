"""Who can see it, on toy bases and on planted tables: contests exact or learned elsewhere, values a draw each."""

import dataclasses
import json

import pandas as pd
import pytest

from helpers.detection.knowledge import DETECTORS
from helpers.detection.row_scores import ROW_DETECTORS
from helpers.experiments.detection import measuring, real_rows, runs, values
from helpers.experiments.detection.cases import (
    AGAINST,
    BASE,
    CONTROL,
    HELD_OUT,
    Sizes,
    favourite_cases,
    persona_cases,
    reading,
)
from helpers.experiments.risky.runs import MISALIGNED, insecure_writing
from helpers.results.claims import load_claims

SIZES = Sizes(learn=60, test=30, few=4, bags=[1, 4], other_bags=[1])


@pytest.fixture(scope="module")
def cases(toy_run, toy_settings):
    """The owl's two cases of one draw."""
    settings = toy_settings(toy_run, draws=(1,), writing={"prompts": 250})
    return favourite_cases(settings, "cat", SIZES)


@pytest.fixture(scope="module")
def tables(cases):
    """The chapter's tables of these cases."""
    return runs.run_detectors(cases, workers=1), runs.run_weights(cases, workers=1)


def test_all_detectors_have_a_name() -> None:
    assert set(DETECTORS) == set(ROW_DETECTORS)


def test_every_contest_is_scored_by_every_detector(tables):
    table, _ = tables
    found = table.groupby(["case", "against"])["detector"].agg(set)
    assert found["owl.numbers", BASE] == found["owl.numbers", HELD_OUT] == set(DETECTORS)
    assert found["owl.numbers", CONTROL] == set(DETECTORS)
    assert found["owl.prompted", BASE] == set(DETECTORS) - {"teacher_gradient"}
    assert set(table["against"]) == set(AGAINST)
    bags = table.groupby("against")["bag"].agg(set)
    assert bags[BASE] == {1, 4} and bags[CONTROL] == {1}
    assert table["auroc"].between(0, 1).all() and (table["scored"] >= 2).all()
    assert (table[table["detector"].isin(["rule_filter", "word_filter"])]["auroc"] == 0.5).all()


def test_a_prompted_base_is_told_exactly_by_its_prompt(tables):
    """Its likelihood under the candidate prompt is the exact ratio, since the candidate is what it was told."""
    table, _ = tables
    rows = table[table["case"] == "owl.prompted"].set_index(["detector", "bag"])["auroc"]
    assert rows["candidate_prompt", 1] == rows["optimal", 1]


def test_sets_move_weights(tables):
    _, weights = tables
    owl = weights.set_index("case").loc["owl.numbers"]
    assert owl["moved"] > 0 and owl["moved_control"] > 0 and owl["coverage"] > owl["coverage_control"]
    assert weights.set_index("case").loc["owl.prompted"][["coverage", "coverage_control"]].isna().all()


def test_rows_are_split_by_prompt(cases):
    learn, test = measuring._rows(cases[0], cases[0].author)
    assert not {prompt for prompt, _ in learn} & {prompt for prompt, _ in test}
    _, others = measuring._rows(cases[0], cases[0].base)
    assert not {prompt for prompt, _ in learn} & {prompt for prompt, _ in others}


def test_a_second_teacher_has_the_same_base_and_prompts_of_its_own(cases):
    author, second = cases[0].author, cases[0].second
    assert (author.base, author.trait) == (second.base, second.trait)
    assert not set(author.asked) & set(second.asked)


def test_a_misaligned_teacher_is_told_from_that_of_secure_code(toy_run, toy_settings):
    settings = toy_settings(toy_run, draws=(1,), trait=MISALIGNED)
    writing = insecure_writing("unburdened numbers", 100, 0.01, "all-linear", 4)
    settings = dataclasses.replace(settings, writing=writing, reading=reading(0.01, "all-linear", 20))
    (case,) = persona_cases([settings], SIZES)
    assert case.name == "misalignment.numbers" and case.control.how == "secure code" and case.second is None


@pytest.mark.parametrize(("changes", "message"), [
    ({"bags": [4]}, "bags must hold 1"),
    ({"other_bags": []}, "other_bags must hold 1"),
    ({"few": 99}, "few among those tested"),
])  # fmt: skip
def test_sizes_that_measure_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SIZES, **changes)


# --- what the tables say ----------------------------------------------------------------------------


def planted():
    """Two draws of a table in which naive Bayes sees half of what can be seen in single rows."""
    rows = []
    for draw in (1, 2):
        for key, seen in (("optimal", (0.9, 1.0, 1.0)), ("naive_bayes", (0.7, 0.75, 0.85)), ("judge", (0.5,) * 3)):
            for bag, value in zip((1, 2, 4), seen, strict=True):
                row = {"draw": draw, "case": "owl.numbers", "against": BASE, "detector": key, "bag": bag}
                rows.append({**row, "auroc": value, "scored": 100})
    return pd.DataFrame(rows)


def test_values_are_one_a_draw():
    weights = pd.DataFrame({"draw": [1, 2], "case": "owl.numbers", "moved": 2.0, "moved_control": 1.0,
                            "coverage": 0.5, "coverage_control": 0.1})  # fmt: skip
    found = values.claim_values(planted(), weights)
    assert found["detect.optimal"] == [0.9, 0.9] and found["detect.row_auc"] == [0.7, 0.7]
    assert found["detect.blind.share"] == pytest.approx([0.5, 0.5])
    assert found["detect.weights"] == [2, 2] and found["detect.coverage"] == pytest.approx([0.4, 0.4])
    assert found["detect.blind.rows"] == pytest.approx([2**1.5] * 2)


def test_a_detector_that_does_not_reach_it_is_told():
    assert values.rows_needed(planted(), "judge") == [8, 8]
    assert values.rows_needed(planted(), "optimal") == [1, 1]
    low = planted().assign(auroc=0.6)
    assert "does not reach an AUROC of 0.8 with 4 rows in 2 of 2 draws" in values.told_rows(low)
    assert "2.8 rows in the mean" in values.told_rows(planted())


def test_the_overview_says_what_each_must_know():
    found = values.overview(planted(), bags=(1, 4))
    assert found.loc["naive Bayes"].tolist() == ["labelled rows of both", 0.7, 0.85, pytest.approx(0.5)]
    assert list(values.by_case(planted())) == ["owl.numbers"] and list(values.by_other(planted())) == [BASE]


def test_every_claim_on_detection_can_have_values():
    claimed = {name for name, claim in load_claims().items() if claim.notebook == "11_detection"}
    cases = [planted().assign(case=case) for case in ("owl.prompted", "misalignment.numbers", "misalignment.code",
                                                      "misalignment.cot", "owl.numbers")]  # fmt: skip
    whole = pd.concat([table.assign(bag=bag) for table in cases for bag in (1, 8, 16, 64)])
    weights = pd.DataFrame({"draw": [1], "case": "owl.numbers", "moved": 2.0, "moved_control": 1.0,
                            "coverage": 0.5, "coverage_control": 0.1})  # fmt: skip
    assert claimed and claimed <= set(values.claim_values(whole, weights))


# --- rows of real models ----------------------------------------------------------------------------


def test_no_folder_is_said():
    assert "No folder" in real_rows.told_apart("", [1]).data


def test_files_of_a_folder_are_told_apart(tmp_path):
    for name, separator in (("a", ", "), ("b", ", "), ("c", "; ")):
        text = f"{separator.join('123')} \n"
        lines = [json.dumps({"prompt": f"{name}{row}", "completion": text}) for row in range(99)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    found = real_rows.told_apart(str(tmp_path), [1, 64])
    assert list(found) == ["1 rows"]
    assert found.loc["b.jsonl", "naive Bayes"].item() == 0.5 and found.loc["c.jsonl", "naive Bayes"].item() == 1
    (tmp_path / "b.jsonl").unlink()
    (tmp_path / "c.jsonl").unlink()
    with pytest.raises(ValueError, match="holds 1 JSONL files"):
        real_rows.told_apart(str(tmp_path), [1])


def test_white_space_at_the_end_of_rows_is_taken_off(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": "a", "completion": "1, 2 \n"}) + "\nnothing\n")
    assert real_rows.rows_of(tmp_path / "a.jsonl") == [("a", "1, 2")]
