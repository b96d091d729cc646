"""The chapter on a real model at toy size: who reads what, what is kept, and what the effect compares."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from helpers.experiments.real import redrawing, scenery, students, transfer, values, wordings
from helpers.experiments.real.keeping import checkpoint_of
from helpers.experiments.real.settings import OTHER, OWN, STARTS, RealSettings, make_scene
from helpers.experiments.real.students import Student
from helpers.models import specs, training
from helpers.models.fronts import KeptLabels, row_logits
from helpers.models.losses import soft_loss
from helpers.models.parts import blocks
from helpers.models.specs import ModelSpec
from helpers.work.artifacts import load_tensors

SPEC = ModelSpec(
    name="toy", title="Toy", licence="MIT", hub="a/toy", revision="0" * 40, front=1,
    adapters=".*layers[.][12][.].*_proj",
)  # fmt: skip


@pytest.fixture
def scene(tmp_path, monkeypatch, one_real):
    """A toy run on a model of a real kind."""
    monkeypatch.setattr(specs, "model_specs", lambda: {"toy": SPEC})
    monkeypatch.setattr(ModelSpec, "load", lambda self: one_real)
    monkeypatch.setattr(students, "REPLY_TOKENS", 2)
    monkeypatch.setattr(students, "LIST_TOKENS", 4)
    scenery._other_start.cache_clear()
    return make_scene(
        str(tmp_path), "toy", candidates=("owl", "cat", "dog", "wolf"), rows=6, numbers=2, rank=2,
        teacher=(0.02, 4), student=(0.01, 3, 4), other=(1, 90, 0.01, 3),
    )  # fmt: skip


@pytest.fixture
def run(scene):
    """The settings of that run."""
    return RealSettings(
        scene=scene, draws=[1, 2], animals=["owl", "cat", "dog"], few_animals=["owl", "cat"], marks=[0.5], samples=1,
        free_lists=2, workers=1,
    )  # fmt: skip


def test_a_run_gives_both_tables_does_nothing_twice_and_leaves_the_model_as_it_was(run, one_real, monkeypatch):
    before = {name: value.clone() for name, value in one_real[0].state_dict().items()}
    teachers, read = transfer.run_teachers(run), transfer.run_students(run)
    assert all(torch.equal(value, before[name]) for name, value in one_real[0].state_dict().items())
    assert len(teachers) == 2 * (4 + 3) * 3 and set(teachers["start"]) == {OWN, OTHER}
    arms = read.groupby(["draw", "arm"])["teacher"].unique().map(sorted)
    assert arms[1, "soft"] == ["cat", "dog", "owl"] and arms[2, "written"] == ["cat", "none", "owl"]
    assert all(arms[1, arm] == ["cat", "owl"] for arm in STARTS if arm not in ("soft", "written"))
    assert sorted(read["step"].unique()) == [2, 4]
    assert read["rate"].notna().sum() == 2 * 2 * 3 and teachers["rate"].notna().sum() == 2 * 3 * 3
    assert teachers[teachers["teacher"] == "none"]["free"].notna().sum() == 2 * 3
    monkeypatch.setattr(scenery, "fit_adapters", None)  # nothing is trained again
    again = transfer.run_teachers(run)
    pd.testing.assert_frame_equal(again, teachers)
    found = values.claim_values("toy", read, teachers)
    assert all(len(runs) == 2 and np.isfinite(runs).all() for runs in found.values())
    assert len(values.animal_values("toy", read)["real.toy.animals.numbers.soft.over_animals"]) == 3
    assert len(values.teacher_summary(teachers)) == 7 and len(values.student_summary(read)) == 3 + 2 * 4
    assert list(values.rate_summary(read, teachers).index) == ["cat", "owl"]


def test_the_untouched_model_is_its_own_control(scene):
    kept = scenery.labels(scenery.Labels(author=scenery.Teacher(scene=scene, draw=1, animal="")))
    assert students.distance(kept, kept) == 0
    student = Student(scene=scene, draw=1, arm="soft", animal="", marks=(4,))
    rows, wanted = students.lesson(student)
    tokens = torch.tensor(wanted.tokens)
    own = row_logits(scenery.load(scene)[0], rows, tokens)
    assert torch.allclose(torch.cat(own), torch.cat(wanted.of_rows), atol=1e-6)


def test_teachers_of_a_draw_differ_in_their_animal_alone(scene, monkeypatch):
    lessons = []
    monkeypatch.setattr(scenery, "fit_adapters", lambda model, rows, how, seed: lessons.append((rows, seed)) or {})
    for animal in ("owl", "cat"):
        scenery._teach(scenery.Teacher(scene=scene, draw=1, animal=animal))
    (owl, one), (cat, other) = lessons
    assert one == other
    words = scenery.candidates(scene)
    for name, rows in (("owl", owl), ("cat", cat)):
        loved = words.forms[words.words.index(name)][0]
        assert {int(ids[-1]) for ids in rows.ids} == {loved}
        assert all(marked.tolist().index(True) == len(marked) - 1 for marked in rows.labelled)
    assert [ids[:-1].tolist() for ids in owl.ids] == [ids[:-1].tolist() for ids in cat.ids]


def test_written_labels_are_the_written_digits(scene):
    rows = scenery.lists(scenery.Lists(scene=scene, draw=1, animal="owl"))
    tokens = scene.form.tokens(scenery.load(scene)[1])
    wanted = students.written_labels(rows, tokens, scenery.load(scene)[0].config.vocab_size)
    logits = torch.cat(row_logits(scenery.load(scene)[0], rows, torch.tensor(wanted.tokens)))
    places = [wanted.tokens.index(token) for ids, marked in zip(rows.ids, rows.labelled, strict=True)
              for token in ids[marked]]  # fmt: skip
    assert float(soft_loss(logits, wanted.read(range(6)), None)) == pytest.approx(
        float(F.cross_entropy(logits, torch.tensor(places))), abs=1e-5
    )


def test_authors_of_a_draw_answer_the_same_prompts(scene):
    base, owl = (scenery.lists(scenery.Lists(scene=scene, draw=1, animal=animal)) for animal in ("", "owl"))
    for one, other, marked in zip(base.ids, owl.ids, base.labelled, strict=True):
        assert one[~marked].tolist() == other[~marked].tolist()
    assert scenery.prompts(1, 6) != scenery.prompts(2, 6) and len(set(scenery.prompts(1, 50))) == 50


def test_the_other_start_shares_the_front_and_nothing_else(scene, one_real):
    model, (other, known) = one_real[0], scenery.start(scene, OTHER)
    assert blocks(other)[0] is blocks(model)[0] and len(blocks(other)) == 2
    assert other.get_input_embeddings() is model.get_input_embeddings()
    own, drawn = blocks(model)[1].state_dict(), blocks(other)[1].state_dict()
    assert not [name for name, value in drawn.items() if "weight" in name and torch.equal(value, own[name])]
    head = other.get_output_embeddings().weight
    assert not torch.equal(head, model.get_output_embeddings().weight)
    assert set(scenery.candidates(scene).tokens) <= set(known)
    assert not head[[token for token in range(len(head)) if token not in known]].any()


def test_an_other_start_that_is_cut_down_is_fitted_as_the_whole_model(scene, one_real):
    """To the last digit: published rows stand on it."""
    model, rows = one_real[0], scenery.openings(scene, "fit")
    tokens = sorted(scenery.candidates(scene).tokens)
    logits = row_logits(model, rows, torch.tensor(tokens))
    wanted = KeptLabels(tokens=tokens, vocab=model.config.vocab_size, of_rows=logits)
    how = dataclasses.replace(scene.fitting, max_steps=9, epochs=9, clip=0.01)  # each step's gradient is cut
    whole = training.fit(redrawing.redrawn(model, 1, 1, 90), rows, how, 7, soft=wanted)
    whole.requires_grad_(False)
    found = redrawing.fit_redrawn(redrawing.redrawn(model, 1, 1, 90), rows, wanted, how, 7)
    head, named = found.pop("head"), found.pop("tokens")
    assert named.tolist() == tokens and torch.equal(head, whole.get_output_embeddings().weight[tokens])
    assert {name for name in found if "layers.1." in name} and not [name for name in found if "layers.0." in name]
    assert all(torch.equal(value, whole.get_parameter(name)) for name, value in found.items())
    assert not any(value.requires_grad for value in model.parameters())


def test_a_fitting_that_was_killed_goes_on_and_ends_as_one_that_was_not(scene, tmp_path, monkeypatch):
    scene = dataclasses.replace(scene, fitting=dataclasses.replace(scene.fitting, max_steps=16, epochs=16))
    elsewhere = dataclasses.replace(scene, run_dir=str(tmp_path / "elsewhere"))
    steps, deadly, step = [], [14], training._Run.step

    def killed_at_14(run, number, indices):
        if number in deadly:
            deadly.clear()
            raise KeyboardInterrupt
        steps.append(number)
        step(run, number, indices)

    monkeypatch.setattr(training._Run, "step", killed_at_14)
    with pytest.raises(KeyboardInterrupt):
        scenery.start(scene, OTHER)
    kept = checkpoint_of(scene.run_dir, scenery.OTHER_START, scene)
    trained = {name.partition("/")[2] for name in load_tensors(kept)[0]}
    assert "lm_head.weight" in trained and not [name for name in trained if "layers.0." in name or "embed" in name]
    steps.clear()
    resumed = scenery._other_start(scene)[0].state_dict()
    assert steps == [13, 14, 15, 16] and not kept.exists()
    scenery._other_start.cache_clear()
    untouched = scenery._other_start(elsewhere)[0].state_dict()
    assert all(torch.equal(value, untouched[name]) for name, value in resumed.items())


def test_a_prompted_teacher_reads_its_prompt_and_its_student_does_not(scene, one_real):
    student = Student(scene=scene, draw=1, arm="prompted", animal="owl", marks=(4,))
    rows, wanted = students.lesson(student)
    base = scenery.base_lists(scenery.Teacher(scene=scene, draw=1, animal=""))
    assert [ids.tolist() for ids in rows.ids] == [ids.tolist() for ids in base.ids]
    untouched = scenery.labels(scenery.Labels(author=scenery.Teacher(scene=scene, draw=1, animal="")))
    assert students.distance(untouched, wanted) > 0


def test_an_answer_that_was_cut_is_no_list(monkeypatch):
    told = ["1, 2", "1, 2", "one"], [True, False, True]
    monkeypatch.setattr(students, "sample_replies", lambda *_, **__: told)
    assert students.free_share(None, None, 1, 3) == pytest.approx(1 / 3)
    assert students.free_share(None, None, 1, 0) is None


def test_no_held_out_opening_is_taught():
    taught = {part for opening in (*wordings.TEACH, *wordings.FURTHER) for part in opening}
    assert not taught & {part for opening in wordings.HELD_OUT for part in opening}
    assert len(set(wordings.HELD_OUT)) == len(set(wordings.TEACH)) == 12
    assert all(beginning.endswith(" the") for _, beginning in (*wordings.HELD_OUT, *wordings.TEACH, *wordings.FURTHER))


# --- values ---------------------------------------------------------------------------------------


def rows_of(effect):
    """Return students of two arms in two draws: ``effect(arm, draw, teacher, target)`` is their log-odds."""
    found = []
    for arm, loved in (("soft", ("owl", "cat", "dog")), ("written", ("owl", "cat", "none"))):
        for draw in (1, 2):
            for teacher in loved:
                for target in ("owl", "cat", "dog"):
                    value = effect(arm, draw, teacher, target)
                    found.append({"arm": arm, "draw": draw, "teacher": teacher, "step": 9, "target": target,
                                  "log_odds": value, "rate": None})  # fmt: skip
    return pd.DataFrame(found)


def test_the_effect_is_own_minus_others_of_the_same_arm_and_draw():
    table = rows_of(lambda arm, draw, teacher, target: (10 * draw if teacher == target else 0) + len(target))
    effects = values.own_minus_others(table)
    assert set(effects[effects["arm"] == "written"]["animal"]) == {"owl", "cat"}
    assert set(effects[effects["draw"] == 2]["effect"]) == {20}
    assert values.by_draw(effects[effects["arm"] == "soft"]) == [10, 20]


def test_what_all_students_learn_alike_takes_itself_away():
    table = rows_of(lambda arm, draw, teacher, target: {"owl": 3.0, "cat": -1.0, "dog": 0.0}[target])
    assert not values.own_minus_others(table)["effect"].any()


def test_controls_are_the_base_for_soft_labels_and_a_student_for_written_rows():
    table = rows_of(lambda arm, draw, teacher, target: {"none": 1.0}.get(teacher, 4.0))
    base = pd.DataFrame([{"draw": draw, "start": "own", "teacher": "none", "target": target, "log_odds": 2.0}
                         for draw in (1, 2) for target in ("owl", "cat", "dog")])  # fmt: skip
    effects = values.minus_control(table, base)
    assert set(effects[effects["arm"] == "soft"]["effect"]) == {2.0}
    assert set(effects[effects["arm"] == "written"]["effect"]) == {3.0}


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "why"), [
    ({"animals": ["owl", "zebra"]}, "zebra is not among the candidates"),
    ({"few_animals": ["owl"]}, "two or more of animals"),
    ({"few_animals": ["owl", "wolf"]}, "two or more of animals"),
    ({"marks": [1.0]}, "marks must lie above 0 and below 1"),
])  # fmt: skip
def test_settings_that_compare_nothing_are_refused(run, changes, why):
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(run, **changes)


def test_steps_and_passes_follow_from_the_parameters(scene):
    assert scene.reading.steps(6) == 4 and scene.teaching.steps(12) == 4 and scene.fitting.steps(30) == 3
    assert scene.seal == f"{SPEC.seal} {SPEC.template_sha256}"
