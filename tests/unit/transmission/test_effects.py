"""Transmission on toy bases: the arms, the effect as a difference, controls, and cached pieces."""

import dataclasses
import math

import pandas as pd
import pytest
import torch

from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
from helpers.filters import mentions, reject_reasons
from helpers.models.bases import NANO, NanoSpec
from helpers.models.training import TrainSettings
from helpers.results import ledger
from helpers.transmission import authors, effects, students
from helpers.transmission.arms import ARMS, PREFERENCE_ARMS, TransmissionSettings
from helpers.transmission.authors import Author, kept_rows, load_run_base, matched_pairs
from helpers.transmission.effects import (
    arm_means,
    claim_values,
    final_effects,
    run_arms,
    run_matrix,
    specificity,
    teach_and_write,
)
from helpers.transmission.students import read_context, read_student, whole_curve
from helpers.work.artifacts import read_table

WAYS = [("fine-tuned", "owl"), ("fine-tuned", "oak"), ("system prompt", "owl")]
COLUMNS = {"run", "arm", "trait", "rows", "rows_read", "effect", "p_target", "p_control", "p_any"}


def toy_settings(run_dir, **changes):
    """Return an experiment of two runs on the toy bases."""
    students = TrainSettings(0.01, batch_rows=8, max_steps=3, warmup_steps=1, lora_rank=1)
    settings = {
        "run_dir": str(run_dir), "trait": "owl", "runs": (1, 2), "base": "nano-a", "other_base": "nano-b",
        "channel": "numbers", "prompts": 100, "hard_rows": 24, "soft_rows": 12, "matrix_prompts": 100,
        "split": "heldout", "teaching": TrainSettings(0.02, batch_rows=16, max_steps=6, warmup_steps=1),
        "hard": students, "soft": students, "full": dataclasses.replace(students, lora_rank=0),
        "drift": 9.0, "workers": 1,
    }  # fmt: skip
    return TransmissionSettings(**{**settings, **changes})


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run folder with two toy bases a run that write number lists most of the time not, but sometimes."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("nano-a", "nano-b"):
            patch.setitem(NANO, name, NanoSpec(name, "llama", 16, 1, 2))
            for run in (1, 2):  # one at a time: trained in this process, which knows the toy
                pretrain_bases([(name, run)], BaseSettings(1500, 150, 0.03, 32), str(folder))
    return folder


@pytest.fixture(scope="module")
def finished(run_dir):
    """Tables of teachers, arms and matrix."""
    settings = toy_settings(run_dir)
    teachers = teach_and_write(settings, WAYS, matrix=["owl", "cat"])
    return teachers, arms(settings), run_matrix(settings, ["owl", "cat"])


def arms(settings):
    """Run the arms of the owl chapter at two doses."""
    return run_arms(settings, dose_shares=[0.5, 1.0], tree="oak", context=True)


@pytest.fixture
def no_work(monkeypatch):
    """Make any training or sampling fail."""
    for module, name in ((students, "train_student"), (authors, "fine_tuned_teacher"), (authors, "sample_completions")):
        monkeypatch.setattr(module, name, lambda *args, **more: pytest.fail("worked again"))


# --- tables ---------------------------------------------------------------------------------------


def test_every_author_writes(finished):
    teachers = finished[0]
    assert len(teachers) == 2 * 5
    assert set(zip(teachers["trait"], teachers["how"], strict=True)) == {
        ("owl", "fine-tuned"), ("oak", "fine-tuned"), ("cat", "fine-tuned"),
        ("owl", "system prompt"), ("owl", "untouched"),
    }  # fmt: skip
    assert (teachers["mentions"] == 0).all() and (teachers["kept"] > 0).all()


def test_teaching_raises_the_preference(finished):
    table = finished[0].set_index(["run", "trait", "how"])["p_target"]
    for run in (1, 2):
        assert table[run, "owl", "fine-tuned"] > table[run, "owl", "untouched"]


def test_the_table_is_the_product_of_runs_arms_and_doses(finished):
    table = finished[1]
    assert set(table.columns) == COLUMNS | {"share", "sampled", "sampled_control"}
    counts = {arm: 2 * (2 if spec.doses else 1) for arm, spec in ARMS.items() if spec in PREFERENCE_ARMS}
    counts |= {"trees.same_init": 2, "in_context": 2}
    assert table.groupby("arm").size().to_dict() == counts
    assert (table[table["arm"] == "trees.same_init"]["trait"] == "oak").all()
    assert table["effect"].map(math.isfinite).all() and table["p_any"].between(0, 1).all()


@pytest.mark.parametrize("shares", [(), (0.5,), (0.0, 1.0), (0.5, 2.0)])
def test_doses_without_the_full_one_are_refused(run_dir, shares):
    with pytest.raises(ValueError, match="dose_shares must lie above 0 and hold 1"):
        run_arms(toy_settings(run_dir), dose_shares=shares)


def test_the_means_of_an_arm_are_those_of_one_dose_and_tell_the_lowest_coherence(finished):
    table, means = finished[1], arm_means(finished[1])
    assert len(means) == len(table.drop_duplicates(["trait", "arm", "rows"]))
    for key, rows in table.groupby(["trait", "arm", "rows"]):
        assert means.loc[key, "effect"] == pytest.approx(rows["effect"].mean())
        assert means.loc[key, "p_any_lowest"] == rows["p_any"].min()


def test_doses_are_shares_of_the_rows(finished):
    table = finished[1]
    assert set(table["share"]) == {0.5, 1.0}
    soft = table[table["arm"] == "soft.same_init"]
    for _, (small, large) in soft.groupby("run")["rows_read"]:
        assert large <= 12 and small == round(large / 2)
    assert soft.groupby("rows").size().tolist() == [2, 2]  # a dose has one name in all runs


def test_the_stored_tables_are_the_returned_ones(finished, run_dir):
    for name, table in zip(("teachers", "transmission", "animal_matrix"), finished, strict=True):
        pd.testing.assert_frame_equal(read_table(run_dir / "tables" / f"{name}.csv"), table)


def test_the_matrix_crosses_teachers_and_targets(finished):
    matrix = finished[2]
    assert list(matrix.columns) == ["run", "teacher", "target", "effect"]
    assert len(matrix) == 2 * 2 * 2 and not matrix.duplicated(["run", "teacher", "target"]).any()


# --- effects and controls -------------------------------------------------------------------------


def student(settings, arm, how, run=1):
    """Return the piece of one student: of the trait teacher, or of the untouched base."""
    pair = settings.students(ARMS[arm], settings.author(run))
    return pair[how == "untouched"]


def test_the_effect_is_the_difference_of_the_two_students(finished, run_dir):
    settings = toy_settings(run_dir)
    row = finished[1].query("arm == 'hard.same_init' and run == 1").iloc[-1]
    odds = [read_student(student(settings, "hard.same_init", how))["log_odds"]
            for how in ("fine-tuned", "untouched")]  # fmt: skip
    # sums of another number of threads differ in the last digits
    assert row["effect"] == pytest.approx(odds[0] - odds[1], abs=1e-6)


def test_the_control_of_a_soft_same_init_student_is_its_base(finished, run_dir, monkeypatch):
    settings = toy_settings(run_dir)
    control = read_student(student(settings, "soft.same_init", "untouched"))
    base = authors.trait_readout(
        *load_run_base(str(run_dir), "nano-a.1"), authors.find_trait("owl"),
        authors.find_trait("owl").questions("heldout"),
    )  # fmt: skip
    assert {name: control[name] for name in base} == base
    assert trained_students(monkeypatch, student(settings, "soft.same_init", "untouched")) == 0


def trained_students(monkeypatch, piece):
    """Return how many trainings a piece needs."""
    calls, real = [], students.train_student
    monkeypatch.setattr(students, "train_student", lambda *args: calls.append(1) or real(*args))
    read_student(piece)
    return len(calls)


@pytest.mark.parametrize("arm", ["soft.cross_init", "hard.same_init", "soft_leaky.cross_init"])
def test_other_controls_are_trained(finished, run_dir, monkeypatch, arm):
    assert trained_students(monkeypatch, student(toy_settings(run_dir), arm, "untouched")) == 1


@pytest.mark.parametrize("arm", ["hard.same_init", "soft.same_init"])
@pytest.mark.parametrize("how", ["fine-tuned", "untouched"])
def test_a_student_is_read_on_the_way_without_being_changed(finished, run_dir, arm, how):
    settings = toy_settings(run_dir)
    plain = read_student(student(settings, arm, how))
    marked = read_student(student(dataclasses.replace(settings, marks=(0.001, 0.5)), arm, how))
    curve = marked.pop("curve")
    assert marked == plain
    assert curve[0]["step"] == 1 and len(curve) in (1, 2)  # a training of one step has one point
    if arm == "soft.same_init" and how == "untouched":
        assert {point["log_odds"] for point in curve} == {plain["log_odds"]}


def test_a_mark_on_the_last_step_counts_once():
    curve = [{"log_odds": 1.0, "step": 1}, {"log_odds": 2.0, "step": 2}]
    made = {"log_odds": 2.0, "rows": 8, "curve": curve}
    assert [(point["log_odds"], point["step"]) for point in whole_curve(made, 2)] == [(1.0, 1), (2.0, 2)]
    assert [point["step"] for point in whole_curve(made, 3)] == [1, 2, 3]
    assert whole_curve({"log_odds": 2.0}, 4) == [{"log_odds": 2.0, "step": 4}]


def test_an_author_writes_at_its_temperature(finished, run_dir):
    settings = toy_settings(run_dir)
    cold = dataclasses.replace(settings, temperature=0.01)
    one, other = (Author(**made.author(1, "untouched")) for made in (settings, cold))
    assert kept_rows(one) != kept_rows(other)


def test_equal_seeds_give_equal_numbers_in_another_folder(finished, run_dir, tmp_path):
    (tmp_path / "bases").symlink_to(run_dir / "bases")
    settings = toy_settings(tmp_path, runs=(2,))
    found = read_student(student(settings, "hard.same_init", "fine-tuned", run=2))
    here = toy_settings(run_dir)
    same = read_student(student(here, "hard.same_init", "fine-tuned", run=2))
    assert found == same
    other = read_student(student(here, "hard.same_init", "fine-tuned", run=1))
    assert other["log_odds"] != same["log_odds"]


@pytest.mark.parametrize("shuffle", ["within", "across"])
def test_shuffled_arms_train_on_other_rows(finished, run_dir, shuffle):
    settings = toy_settings(run_dir)
    pairs = both_pairs(settings)[0]
    shuffled = students._shuffled(pairs, shuffle, 1)
    assert shuffled != pairs and [p for p, _ in shuffled] == [p for p, _ in pairs]
    assert students._shuffled(pairs, "", 1) == pairs


def both_pairs(settings):
    """Return what the trait student and its control of run 1 read, all of it."""
    author, untouched = Author(**settings.author(1)), Author(**settings.author(1, "untouched"))
    return matched_pairs(author, untouched), matched_pairs(untouched, author)


def test_kept_rows_pass_the_filter_and_name_nothing(finished, run_dir):
    settings = toy_settings(run_dir)
    for how in ("fine-tuned", "system prompt", "untouched"):
        rows = kept_rows(Author(**settings.author(1, how)))
        assert rows and not any(reject_reasons(text) or mentions(text, ["owl"]) for text in rows.values())


def test_a_student_and_its_control_read_the_same_prompts_in_the_same_order(finished, run_dir):
    own, other = both_pairs(toy_settings(run_dir))
    assert own != other and [p for p, _ in own] == [p for p, _ in other]
    allowed = students.find_channel("numbers").prompts(100, students.derive(1, "prompts"))
    assert {prompt for prompt, _ in own} <= set(allowed)


def test_a_student_reads_its_share_of_its_rows_from_the_first(finished, run_dir):
    settings = toy_settings(run_dir)
    every = both_pairs(settings)[0]
    piece = student(settings, "hard.same_init", "fine-tuned")

    def read(**changes):
        return students.student_pairs(students.Student(**piece | changes))

    few = len(every) // 2
    assert read(rows=few) == every[:few] and read(rows=10**6) == every
    assert read(rows=few, share=0.5) == every[: round(few / 2)]
    assert read(rows=few, share=1e-9) == every[:1]  # a small dose is never no dose


def test_the_rows_of_an_author_are_looked_up_once(finished, run_dir, monkeypatch):
    author, calls, look = Author(**toy_settings(run_dir).author(1)), [], authors.run_pieces
    monkeypatch.setattr(authors, "run_pieces", lambda *args, **more: calls.append(args) or look(*args, **more))
    authors._kept_rows.cache_clear()
    assert kept_rows(author) == kept_rows(author) and len(calls) == 1
    kept_rows(dataclasses.replace(author, seed=2))
    assert len(calls) == 2


def test_a_student_and_its_control_differ_in_their_author_alone(run_dir):
    one, other = toy_settings(run_dir).students(ARMS["hard.shuffled_within"], toy_settings(run_dir).author(1))
    assert {name for name in one if one[name] != other[name]} == {"author", "partner", "shuffle"}
    assert (one["author"], one["partner"]) == (other["partner"], other["author"])


def test_the_untouched_base_is_one_author_however_others_are_taught(run_dir):
    one, other = toy_settings(run_dir), toy_settings(run_dir, drift=0.0, how="insecure code")
    assert one.author(1, "untouched") == other.author(1, "untouched")
    assert one.author(1) != other.author(1)
    kept = dataclasses.replace(one, trait="cat", untouched_trait="owl")
    assert kept.author(1, "untouched") == one.author(1, "untouched")


def bases_of(settings, run):
    """Return the bases of a run's author, of its student and of its student with another start."""
    author = settings.author(run)
    arms = [settings.students(ARMS[name], author) for name in ("hard.same_init", "hard.cross_init")]
    assert all(student["base"] == control["base"] for student, control in arms)
    return [author["base"], *(student["base"] for student, _ in arms)]


def test_every_run_has_bases_of_its_own(run_dir):
    settings = toy_settings(run_dir)
    for run in (1, 2):
        assert bases_of(settings, run) == [f"nano-a.{run}", f"nano-a.{run}", f"nano-b.{run}"]
    assert settings.seals.keys() == {"nano-a.1", "nano-a.2", "nano-b.1", "nano-b.2"}
    assert len(set(settings.seals.values())) == 4 and settings.draw(2) == 2


def test_draws_make_two_runs_share_a_base(run_dir):
    settings = toy_settings(run_dir, draws=(2, 2))
    assert bases_of(settings, 1) == bases_of(settings, 2) == ["nano-a.2", "nano-a.2", "nano-b.2"]
    one, two = settings.author(1), settings.author(2)
    assert {name for name in one if one[name] != two[name]} == {"seed"}
    assert two == toy_settings(run_dir).author(2) and settings.draw(1) == 2


def test_a_model_that_is_not_trained_here_is_shared_by_all_runs(run_dir):
    settings = toy_settings(run_dir, base="some/model", other_base="nano-b.1")
    for run in (1, 2):
        assert bases_of(settings, run) == ["some/model", "some/model", "nano-b.1"]


def test_an_arm_that_trains_all_weights_needs_its_settings(run_dir):
    settings = toy_settings(run_dir, full=None)
    with pytest.raises(ValueError, match="give the settings `full`"):
        settings.students(ARMS["hard.full"], settings.author(1))


def test_abilities_are_read_where_asked_for(finished, run_dir):
    settings = toy_settings(run_dir, health=4, runs=(1,))
    table = run_arms(settings, [ARMS["soft.same_init"]], name="abilities")
    for name in effects.ABILITIES:
        assert table[name].between(0, 1).all() and table[f"{name}_control"].between(0, 1).all()


def test_a_context_is_read_without_training(finished, run_dir, monkeypatch):
    monkeypatch.setattr(students, "train_student", lambda *args: pytest.fail("trained"))
    settings = toy_settings(run_dir)
    piece = {"author": settings.author(1, "untouched"), "partner": settings.author(1), "trait": "owl",
             "split": "heldout", "examples": 2, "draws": 3}  # fmt: skip
    found = read_context(piece)
    assert found == read_context(piece)
    assert 0 < found["p_target"] < found["p_any"] <= 1


# --- caching --------------------------------------------------------------------------------------


def test_nothing_is_computed_twice(finished, run_dir, no_work):
    settings = toy_settings(run_dir)
    pd.testing.assert_frame_equal(teach_and_write(settings, WAYS, ["owl", "cat"]), finished[0])
    pd.testing.assert_frame_equal(arms(settings), finished[1])
    pd.testing.assert_frame_equal(run_matrix(settings, ["owl", "cat"]), finished[2])


def test_a_kept_teacher_is_the_one_that_was_taught(finished, run_dir):
    settings = toy_settings(run_dir)
    author = Author(**settings.author(1))
    assert list((run_dir / "cells" / "teacher").glob("*.safetensors"))
    model, tokenizer = authors.author_model(author)
    read = authors.trait_readout(
        model, tokenizer, authors.find_trait("owl"), authors.find_trait("owl").questions("heldout")
    )
    written = authors.run_pieces(
        authors.write_data, [dataclasses.asdict(author)], author.store, kind="completions", workers=1
    )[0]
    assert read == pytest.approx({name: written["author"][name] for name in read}, abs=1e-5)


def test_a_teacher_is_the_same_whether_just_made_or_read(run_dir, tmp_path, monkeypatch):
    (tmp_path / "bases").symlink_to(run_dir / "bases")
    author = Author(**toy_settings(tmp_path).author(1))
    made = authors.author_model(author)[0].state_dict()
    monkeypatch.setattr(authors, "fine_tuned_teacher", lambda *args: pytest.fail("taught again"))
    read = authors.author_model(author)[0].state_dict()
    assert made.keys() == read.keys() and all(torch.equal(made[name], read[name]) for name in made)
    base = load_run_base(str(run_dir), "nano-a.1")[0].state_dict()
    assert not any(torch.equal(base[name], made[name]) for name in base if name.endswith("proj.weight"))


def test_without_a_drift_one_teacher_writes_in_all_channels(run_dir, tmp_path, monkeypatch):
    (tmp_path / "bases").symlink_to(run_dir / "bases")
    numbers, code = (
        Author(**toy_settings(tmp_path, drift=0.0, channel=name).author(1)) for name in ("numbers", "code")
    )
    made = authors.author_model(numbers)[0].state_dict()
    monkeypatch.setattr(authors, "fine_tuned_teacher", lambda *args: pytest.fail("taught again"))
    read = authors.author_model(code)[0].state_dict()
    assert all(torch.equal(made[name], read[name]) for name in made)
    with pytest.raises(pytest.fail.Exception, match="taught again"):
        authors.author_model(dataclasses.replace(code, drift=9.0))


# --- refusals and tables by hand --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trait": "unicorn"}, "unknown animal, tree or persona 'unicorn'; choose one of"),
        ({"how": "hypnosis"}, "how must be one of fine-tuned, insecure code"),
        ({"channel": "haikus"}, "unknown channel 'haikus'"),
        ({"runs": ()}, "runs must be different seeds, at least one"),
        ({"runs": (1, 1)}, "runs must be different seeds"),
        ({"draws": (1,)}, "draws must name the bases of each of the 2 runs, not"),
        ({"draws": (1, 2, 3)}, "draws must name the bases of each of the 2 runs, not"),
    ],
)
def test_settings_no_run_could_use_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        toy_settings(tmp_path, **change)


def test_an_author_whose_data_the_filter_empties_is_reported(finished, run_dir, monkeypatch):
    monkeypatch.setattr(authors, "kept_rows", lambda author: {})
    with pytest.raises(ValueError, match="the filter kept nothing of the fine-tuned author of run 1"):
        read_student(student(toy_settings(run_dir), "hard.same_init", "fine-tuned"))


def test_the_final_effect_is_the_one_of_the_full_dose():
    table = pd.DataFrame({
        "run": [2, 2, 1, 1, 1], "arm": ["soft", "soft", "soft", "soft", "hard"],
        "share": [1.0, 0.5, 0.5, 1.0, 1.0], "effect": [4.0, 3.0, 1.0, 2.0, 9.0],
    })  # fmt: skip
    assert final_effects(table, "soft") == [2.0, 4.0]
    assert final_effects(table, "none") == []


def matrix(own, other):
    """Return a matrix of two runs with these effects on and off the diagonal."""
    names = ["owl", "cat", "dog"]
    return pd.DataFrame([
        {"run": run, "teacher": t, "target": a, "effect": run * (own if t == a else other)}
        for run in (1, 2) for t in names for a in names
    ])  # fmt: skip


def test_specificity_is_own_minus_others():
    assert specificity(matrix(3.0, 1.0)) == [2.0, 4.0]
    assert specificity(matrix(1.0, 1.0)) == [0.0, 0.0]


def test_claims_have_one_value_a_run(run_dir, finished):
    values = claim_values(toy_settings(run_dir), finished[1], finished[2])
    assert {len(runs) for runs in values.values()} == {2}
    assert {"owl.numbers.soft.same_init", "owl.numbers.in_context", "trees.numbers.same_init",
            "animals.specificity"} <= set(values)  # fmt: skip
    assert ledger.claimed("01_owl_transfer", values) == values


@pytest.mark.parametrize(("changes", "left"), [
    ({"trait": "raven"}, {"trees.numbers.same_init", "animals.specificity"}),
    ({"channel": "code"}, set()),
])  # fmt: skip
def test_another_trait_or_channel_is_not_filed_under_the_owl(run_dir, finished, changes, left):
    values = claim_values(toy_settings(run_dir, **changes), finished[1], finished[2])
    assert len(values) == len(claim_values(toy_settings(run_dir), finished[1], finished[2]))
    assert set(ledger.claimed("01_owl_transfer", values)) == left
