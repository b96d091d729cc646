"""Relatives of the bases, and teachers crossed with students, on toy bases."""

import dataclasses
import itertools
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments.bases import health, kin, making
from helpers.experiments.bases.distances import distance_table
from helpers.experiments.bases.kin import RelativeSettings, make_relatives
from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
from helpers.experiments.cross_model import runs, values
from helpers.experiments.cross_model.runs import run_matrix, run_relatives
from helpers.experiments.cross_model.values import RELATIVE_CLAIMS, cell_tests
from helpers.models import relatives
from helpers.models.bases import INITIAL_STD, NANO, NanoSpec, build_nano, drawn, load_base, save_base
from helpers.models.nano_files import base_file
from helpers.models.relatives import CONTINUED, OTHER, RELATIVES, SAME, Relative, mixed_start, relation
from helpers.models.training import Rows, TrainSettings, batch_order
from helpers.transmission import students
from helpers.transmission.readout import Readout
from helpers.transmission.settings import Reading, TransmissionSettings, Writing
from helpers.transmission.students import StudentReading, read_student
from helpers.work.artifacts import ArtifactError, read_table

BASES = ("nano-a", "nano-a.next")
KIN = [("nano-a-more", 1), ("nano-a-clone", 3), ("nano-a-more", 2)]
PRETRAINING = BaseSettings(documents=700, steps=70, learning_rate=0.03, batch_rows=16)
SETTINGS = RelativeSettings(base=PRETRAINING, more_steps=8, clone_steps=30, clone_rate=0.05)


def weights(model):
    """Return all weight matrices by name."""
    return {name: value.detach() for name, value in model.named_parameters() if value.dim() > 1}


# --- where a relative starts ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def starts(tokenizer):
    """Initial weights of the nano-a of draw 501 and of the next one."""
    return [weights(build_nano(NANO["nano-a"], tokenizer, draw)) for draw in (501, 502)]


@pytest.mark.parametrize(
    ("name", "embeddings_of", "trunk_of"),
    [("nano-a-heads", 0, 1), ("nano-a-trunk", 1, 0), ("nano-a-order", 0, 0)],
)
def test_a_relative_shares_exactly_the_weights_it_should(name, embeddings_of, trunk_of, starts, tokenizer):
    model = mixed_start(RELATIVES[name], tokenizer, 501)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    for weight, value in weights(model).items():
        parent = embeddings_of if "embed" in weight else trunk_of
        assert torch.equal(value, starts[parent][weight]), weight
        assert parent == 1 - parent or not torch.equal(value, starts[1 - parent][weight])


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_mixture_lies_between_and_is_as_wide(share, starts, tokenizer):
    mixed = weights(mixed_start(Relative("x", "x", heads=share, trunk=share), tokenizer, 501))
    for weight, value in mixed.items():
        one, other = (start[weight] for start in starts)
        torch.testing.assert_close(value, math.sqrt(1 - share) * one + math.sqrt(share) * other)
    flat = [torch.cat([value.flatten() for value in found.values()]) for found in (mixed, *starts)]
    assert float(flat[0].std()) == pytest.approx(INITIAL_STD, rel=0.01)
    cosines = [float(torch.nn.functional.cosine_similarity(flat[0], start, dim=0)) for start in flat[1:]]
    assert cosines == pytest.approx([math.sqrt(1 - share), math.sqrt(share)], abs=0.02)


def test_relatives_that_make_no_sense_are_refused(tokenizer):
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        Relative("x", "x", heads=1.5)
    with pytest.raises(ValueError, match="after which another order begins"):
        Relative("x", "x", branch=0.5)
    with pytest.raises(ValueError, match="must continue from some base"):
        Relative("x", "x", imitates="nano-a")
    with pytest.raises(ValueError, match="load that base instead"):
        mixed_start(RELATIVES["nano-a-more"], tokenizer, 501)
    with pytest.raises(ValueError, match="unknown relative 'nano-x'; choose from nano-a-more"):
        make_relatives([("nano-x", 501)], SETTINGS, "nowhere")
    with pytest.raises(ValueError, match="clone_steps must be above 0"):
        RelativeSettings(base=PRETRAINING, clone_steps=0)


# --- how it is trained ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys():
    """Make the bases that relatives come from tiny; all work of these tests is done in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2))
        patch.setitem(RELATIVES, "nano-a-again", Relative("nano-a-again", "the same once more"))
        yield


@pytest.fixture(scope="module")
def run_dir(toys, toy_folder, toy_bases, tiny):
    """A folder of three draws with toy bases that write number lists, relatives of them, and the untrained next one."""
    folder = toy_folder("cross_model")
    shutil.copytree(toy_bases / "bases", folder / "bases", dirs_exist_ok=True)
    save_base(tiny("llama", seed=4, layers=1), folder / "bases", "nano-a.4")
    make_relatives(KIN, SETTINGS, str(folder), workers=1)
    return folder


def base(run_dir, name, draw=1):
    """Return all weight matrices of a draw's finished base."""
    return weights(load_base(drawn(name, draw), run_dir / "bases")[0])


def same(one, other):
    """Whether two sets of weights are equal to the bit."""
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_relative_is_trained_as_the_bases_were(toys, tmp_path):
    brief = RelativeSettings(base=BaseSettings(documents=64, steps=6, batch_rows=16))
    family = [("nano-a-order", 1), ("nano-a-again", 1), ("nano-a-again", 2)]
    pretrain_bases(["nano-a"], [1], brief.base, str(tmp_path))
    make_relatives(family, brief, str(tmp_path), workers=1)
    first = base(tmp_path, "nano-a")
    assert same(base(tmp_path, "nano-a-again"), first)  # nothing changed: the very same base
    assert not same(base(tmp_path, "nano-a-order"), first)
    assert not same(base(tmp_path, "nano-a-again", draw=2), first)


def test_a_branch_leaves_the_teachers_training_where_it_should():
    training = TrainSettings(0.01, batch_rows=4, epochs=3, max_steps=20)
    rows = training_rows(32)
    first = [batch.tolist() for batch in batch_order(rows.lengths, training, 0)]
    half = [batch.tolist() for batch in kin.own_order(RELATIVES["nano-a-half"], rows, training, 0)]
    none = [batch.tolist() for batch in kin.own_order(RELATIVES["nano-a-order"], rows, training, 0)]
    assert half[:10] == first[:10] and half[10:] == none[10:]
    assert none[:10] != first[:10] and half[10:] != first[10:]


def training_rows(count):
    """Return rows of one token each, of as many different lengths as there are rows."""
    return Rows([np.zeros(1)] * count, [np.ones(1, dtype=bool)] * count, list(range(count)))


def test_a_relative_is_made_once(run_dir, monkeypatch):
    monkeypatch.setattr(making, "fit", lambda *args, **more: pytest.fail("trained again"))
    table = make_relatives(KIN, SETTINGS, str(run_dir), workers=1)
    assert list(zip(table["base"], table["draw"], strict=True)) == KIN and table["steps"].tolist() == [8, 30, 8]
    assert table["relation"].tolist() == ["trained on", "other start, imitates the base", "trained on"]
    assert list(run_dir.joinpath("checkpoints").glob("*")) == []


def test_relatives_among_names_are_found_once():
    more, mixed = ("nano-a-more", 1), ("nano-ab-25", 1)
    bases = [("nano-a", 1), more, ("some/model", 1), mixed, more, ("nano-a-more", 2)]
    assert kin.kin_among(bases) == [more, mixed, ("nano-a-more", 2)]


def test_the_data_of_a_longer_training_are_new():
    order, more, clone = (SETTINGS.of(RELATIVES[name]) for name in ("nano-a-order", "nano-a-more", "nano-a-clone"))
    assert order == PRETRAINING
    assert more.corpus_seed == clone.corpus_seed != PRETRAINING.corpus_seed
    assert more.documents == 8 * 16  # every document once
    assert (more.steps, more.learning_rate, clone.steps, clone.learning_rate) == (8, 2e-3, 30, 0.05)


def test_a_base_trained_on_stays_near_and_an_imitation_comes_nearer(run_dir, tiny):
    save_base(tiny("gpt2"), run_dir / "bases", "nano-c.1")
    pairs = [("nano-a-more", 1), ("nano-c", 1), ("nano-a.next", 3), ("nano-a-clone", 3)]
    table = distance_table("nano-a", pairs, str(run_dir)).set_index("base")
    assert table.loc["nano-a-more", "cosine"] > 0.9 > table.loc["nano-a-clone", "cosine"]
    # a copy that read the corpus without its teacher's distributions comes a fifth of the way
    assert table.loc["nano-a-clone", "divergence"] < 0.5 * table.loc["nano-a.next", "divergence"]
    assert math.isnan(table.loc["nano-c", "cosine"]) and table.loc["nano-c", "divergence"] > 0


def test_a_distance_is_taken_from_the_first_base_of_the_same_draw(run_dir):
    table = distance_table("nano-a", [("nano-a", 2), ("nano-a-more", 2), ("nano-a.1", 2)], str(run_dir))
    assert table["draw"].tolist() == [2] * 2 and table["base"].tolist() == ["nano-a-more", "nano-a.1"]  # not itself
    assert table["cosine"][0] > 0.9 > 0.5 > table["cosine"][1]
    pd.testing.assert_frame_equal(read_table(run_dir / "tables" / "base_distances.csv"), table)


def test_the_health_of_relatives_has_a_table_of_its_own(tmp_path, monkeypatch):
    found = [dict.fromkeys(health.MEASURES, value) | {"seconds": 1.0} for value in (0.2, 0.4)]
    monkeypatch.setattr(health, "_checked", lambda *asked: found)
    table = health.health_table([("nano-a-more", 1), ("nano-a-more", 2)], str(tmp_path), 2, "relatives_health")
    pd.testing.assert_frame_equal(read_table(tmp_path / "tables" / "relatives_health.csv"), table)
    assert table["draw"].tolist() == [1] * len(health.MEASURES) + [2] * len(health.MEASURES)
    means = health.mean_health(table)
    assert means.columns.tolist() == ["nano-a-more"] and len(means) == len(health.MEASURES)
    assert means["nano-a-more"].tolist() == pytest.approx([0.3] * len(health.MEASURES))
    assert not (tmp_path / "tables" / "base_health.csv").exists()


def test_without_relatives_there_is_no_health_to_show():
    assert health.mean_health(pd.DataFrame({"draw": []})).empty


def test_a_killed_pretraining_goes_on(toys, tmp_path, monkeypatch):
    settings = RelativeSettings(base=BaseSettings(documents=48, steps=12, learning_rate=0.01, batch_rows=4))
    fit = making.fit

    def watched(on_step):
        monkeypatch.setattr(
            making, "fit", lambda *args, **more: fit(*args, **more, block_steps=5, on_step=on_step)
        )
        make_relatives([("nano-a-heads", 1)], settings, str(tmp_path), workers=1)
        return base(tmp_path, "nano-a-heads")

    def kill(step, _):
        if step == 8:
            raise KeyboardInterrupt

    steps = []
    with pytest.raises(KeyboardInterrupt):
        watched(kill)
    resumed = watched(lambda step, _: steps.append(step))
    assert steps == list(range(6, 13))
    base_file(tmp_path / "bases", "nano-a-heads.1").unlink()
    assert same(watched(lambda step, _: None), resumed)


def test_a_relative_that_was_not_made_is_refused(run_dir):
    with pytest.raises(ArtifactError, match="no nano base 'nano-ab-25.1'.*05_cross_model"):
        load_base("nano-ab-25.1", run_dir / "bases")


# --- teachers crossed with students -----------------------------------------------------------------


def toy_settings(run_dir, **changes):
    """Return an experiment of two draws, each with bases of its own."""
    teaching = TrainSettings(0.01, batch_rows=16, max_steps=3, warmup_steps=1)
    training = TrainSettings(0.01, batch_rows=4, max_steps=4, warmup_steps=1, lora_rank=1)
    settings = TransmissionSettings(
        run_dir=str(run_dir), trait="owl", draws=(1, 2), base="nano-a", other_base="nano-a.next", workers=1,
        writing=Writing(prompts=400, teaching=teaching, drift=9.0),
        reading=Reading(hard_rows=16, soft_rows=16, hard=training, soft=training),
        readout=Readout(split="development", samples=0, marks=(0.5,)),
        author_readout=Readout(split="development", samples=1),
    )  # fmt: skip
    return dataclasses.replace(settings, **changes)


@pytest.fixture(scope="module")
def finished(run_dir):
    """Tables of teachers, matrix and relatives."""
    settings = toy_settings(run_dir)
    audit = runs.teachers_write(settings, BASES)
    few = dataclasses.replace(settings, draws=(1,), seeds=(1,))
    return audit, run_matrix(settings, BASES), run_relatives(few, "nano-a", ["nano-a", "nano-a-more", "nano-a.next"])


def test_every_teacher_writes_its_own_data(finished):
    audit = finished[0]
    assert len(audit) == 2 * 2 * 2 and not audit.duplicated(["seed", "base", "how"]).any()
    assert set(audit["base"]) == set(BASES) and (audit["draw"] == audit["seed"]).all()
    assert (audit["mentions"] == 0).all() and (audit["kept"] > 0).all()


def test_the_matrix_is_the_product_of_seeds_and_cells_with_a_curve_each(finished):
    matrix = finished[1]
    cells = set(zip(matrix["seed"], matrix["teacher"], matrix["student"], strict=True))
    assert cells == set(itertools.product((1, 2), BASES, BASES))
    curves = matrix.groupby(["seed", "teacher", "student"])["share"].agg(["count", "max"])
    assert curves.to_numpy().tolist() == [[2, 1]] * len(cells)
    steps = matrix.groupby(["seed", "teacher", "student"])["step"].transform("max")
    assert (matrix["step"] == matrix["share"] * steps).all()
    assert matrix["effect"].map(math.isfinite).all() and (matrix["draw"] == matrix["seed"]).all()


def test_relatives_read_what_one_teacher_wrote(finished):
    table = finished[2]
    assert set(table["teacher"]) == {"nano-a"} and set(table["seed"]) == {1}
    assert table["words"].unique().tolist() == ["same base", "trained on", "other start"]


def test_a_cell_compares_students_of_a_teacher_and_of_its_untouched_base(finished, run_dir):
    settings = toy_settings(run_dir, draws=(1,), seeds=(1,))
    ((place, pair),) = runs.cell_pairs(settings, [("nano-a.next", "nano-a")])
    assert (place["seed"], place["draw"], place["teacher"], place["student"]) == (1, 1, "nano-a.next", "nano-a")
    names = [field.name for field in dataclasses.fields(pair.student)]
    unlike = {name for name in names if getattr(pair.student, name) != getattr(pair.control, name)}
    assert unlike == {"author", "partner"}
    assert pair.student.base.name == "nano-a.1"
    assert pair.student.author.base.name == pair.control.author.base.name == "nano-a.2"
    assert pair.control.author.how == "untouched" != pair.student.author.how
    row = values.ends(finished[1]).query("seed == 1 and teacher == 'nano-a.next' and student == 'nano-a'").iloc[0]
    asked = {"trait": "owl", "readout": settings.readout}
    odds = [read_student(StudentReading(student=one, **asked))["log_odds"] for one in (pair.student, pair.control)]
    assert row["effect"] == pytest.approx(odds[0] - odds[1], abs=1e-6)


def test_the_stored_tables_are_the_returned_ones(finished, run_dir):
    names = ("cross_model_teachers", "cross_model", "cross_model_relatives")
    for name, table in zip(names, finished, strict=True):
        pd.testing.assert_frame_equal(read_table(run_dir / "tables" / f"{name}.csv"), table)


def test_nothing_is_computed_twice(finished, run_dir, monkeypatch):
    monkeypatch.setattr(students, "train", lambda *args, **more: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(run_matrix(toy_settings(run_dir), BASES), finished[1])


def test_two_teachers_of_one_draw_share_its_bases(finished, run_dir):
    settings = toy_settings(run_dir, draws=(1, 1), seeds=(1, 2))
    shared = runs.run_cells(settings, [("nano-a", "nano-a")], "shared_draw")
    own = finished[1].query("teacher == student == 'nano-a'")
    assert shared["seed"].tolist() == [1, 1, 2, 2] and shared["draw"].tolist() == [1] * 4
    assert shared["effect"][:2].tolist() == own[own["seed"] == 1]["effect"].tolist()  # the very same students
    assert shared["effect"][3] != own[own["seed"] == 2]["effect"].iloc[1]
    assert shared["effect"][3] != shared["effect"][1]


def test_draws_without_a_teacher_give_no_rows_and_no_table(run_dir):
    none = toy_settings(run_dir, draws=(), seeds=())
    assert runs.run_cells(none, [("nano-a", "nano-a")], "nothing").empty
    assert runs.teachers_write(none, BASES, "nothing").empty
    assert not (run_dir / "tables" / "nothing.csv").exists()


def test_the_teachers_of_the_computed_draws_are_chosen():
    seeds, draws = [731, 732, 741], [701, 702, 701]
    assert runs.teachers_of((701,), seeds, draws) == {"seeds": (731, 741), "draws": (701, 701)}
    assert runs.teachers_of((703,), seeds, draws) == {"seeds": (), "draws": ()}
    assert runs.teachers_of((702, 709), seeds, draws, each=True) == {"seeds": (732, 709), "draws": (702, 709)}
    with pytest.raises(ValueError, match="each of the 3 seeds needs its draw, but 2 draws are given"):
        runs.teachers_of((701,), seeds, draws[:2])


# --- what the tables say ----------------------------------------------------------------------------


def table_of(effects, seeds=5, draws=None):
    """A table of `run_cells` with given effects by cell, a teacher's effect being (1 + seed) times as large."""
    rows = []
    for (teacher, student), effect in effects.items():
        for seed in reversed(range(seeds)):
            place = {"seed": seed, "draw": draws[seed] if draws else seed, "teacher": teacher, "student": student}
            for share in (0.5, 1.0):
                found = {"share": share, "effect": effect * (1 + seed) * share}
                rows.append({**place, "relation": relation(teacher, student), **found})
    return pd.DataFrame(rows)


EFFECTS = {
    ("nano-a", "nano-a"): 1.0, ("nano-a.next", "nano-a.next"): 3.0, ("nano-a-more", "nano-a-more"): 2.0,
    ("nano-a", "nano-a.next"): 0.1, ("nano-a.next", "nano-a"): 0.3, ("nano-a.next", "nano-a-more"): 0.0,
    ("nano-a-more", "nano-a.next"): 0.4, ("nano-a", "nano-a-more"): 0.7, ("nano-a-more", "nano-a"): 0.9,
}  # fmt: skip


def test_relations_of_the_matrix():
    assert relation("nano-c", "nano-c") == SAME
    assert relation("nano-a", "nano-a-more") == relation("nano-a-more", "nano-a") == CONTINUED
    assert relation("nano-a.next", "nano-a-more") == relation("some/model", "another/model") == OTHER


def test_claims_are_means_over_cells_draw_by_draw():
    claims = values.matrix_claims(table_of(EFFECTS))
    per_draw = [1, 2, 3, 4, 5]
    assert claims["crossmodel.diagonal"] == pytest.approx([2.0 * n for n in per_draw])
    assert claims["crossmodel.offdiagonal"] == pytest.approx([0.2 * n for n in per_draw])
    assert claims["crossmodel.ratio"] == pytest.approx([0.1] * 5)
    assert claims["crossmodel.to_continued"] == pytest.approx([0.7 * n for n in per_draw])
    assert claims["crossmodel.from_continued"] == pytest.approx([0.9 * n for n in per_draw])
    assert set(values.matrix_claims(table_of({("x", "x"): 1.0}))) == {"crossmodel.diagonal"}


def test_claims_have_a_value_for_each_draw_and_not_for_each_of_its_teachers():
    claims = values.matrix_claims(table_of(EFFECTS, draws=[9, 9, 4, 4, 4]))  # teachers weigh 1, 2 and 3, 4, 5
    assert claims["crossmodel.diagonal"] == pytest.approx([2.0 * 4, 2.0 * 1.5])
    assert claims["crossmodel.ratio"] == pytest.approx([0.1, 0.1])
    assert claims["crossmodel.from_continued"] == pytest.approx([0.9 * 4, 0.9 * 1.5])
    partial = {("nano-a", "nano-a"): 4.0, ("nano-a", "nano-a-heads"): 1.0}
    assert values.relative_claims(table_of(partial, draws=[9, 9, 4, 4, 4])) == {
        "crossmodel.shared_heads": pytest.approx([0.25, 0.25])
    }
    assert values.relative_claims(table_of(partial, draws=[9] * 5)) == {
        "crossmodel.shared_heads": pytest.approx([0.25] * 5)
    }


def hand_made(draws, teacher="nano-a", student="nano-a", effects=(1.0, 3.0, 10.0, 20.0)):
    """A table of `run_cells` of one cell with these effects of teachers 1, 2, ..., and others on the way there."""
    rows = []
    for seed, (draw, effect) in enumerate(zip(draws, effects, strict=True), 1):
        place = {"seed": seed, "draw": draw, "teacher": teacher, "student": student}
        for share in (0.5, 1.0):
            found = {"share": share, "effect": effect if share == 1 else 99.0}
            rows.append({**place, "relation": relation(teacher, student), **found})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        ((6, 6, 5, 5), {6: 2.0, 5: 15.0}), ((6, 5, 5, 5), {6: 1.0, 5: 11.0}),
        ((1, 2, 3, 4), {1: 1.0, 2: 3.0, 3: 10.0, 4: 20.0}), ((7, 7, 7, 7), {1: 1.0, 2: 3.0, 3: 10.0, 4: 20.0}),
    ],
)  # fmt: skip
def test_teachers_of_one_draw_are_one_unit_unless_there_is_no_other(draws, expected):
    table = hand_made(draws)
    found = values.by_draw(values.ends(table))
    assert found.set_index("unit")["effect"].to_dict() == expected
    assert values.units(table) == tuple(sorted(expected))  # as claims are ordered


def test_each_cell_has_units_of_its_own():
    cells = [("nano-a", "nano-a"), ("nano-a", "nano-a.next"), ("nano-a.next", "nano-a")]
    table = pd.concat([hand_made((6, 6, 5, 5), *cell, [n, n, 2 * n, 2 * n]) for n, cell in enumerate(cells)])
    found = values.by_draw(values.ends(table))
    assert found[["teacher", "student", "unit", "effect"]].values.tolist() == [
        [*cell, unit, effect] for n, cell in enumerate(cells) for unit, effect in ((6, n), (5, 2 * n))
    ]
    assert found["relation"].tolist() == [SAME] * 2 + [OTHER] * 4


def test_a_table_without_rows_has_no_units_and_no_claims():
    nothing = pd.DataFrame({"draw": []})
    assert values.units(nothing) == () and values.relative_claims(nothing) == {}


def test_the_interval_is_over_draws_and_the_permutation_within_teachers():
    found = cell_tests(hand_made((6, 6, 5, 5))).iloc[0]
    half = 12.7062 * 13 / 2  # t quantile of one degree of freedom; half the distance of the means 2 and 15
    assert [found["mean"], found["low"], found["high"]] == pytest.approx([8.5, 8.5 - half, 8.5 + half], abs=1e-3)
    assert (found["units"], found["seeds"]) == (2, 4) and found["p"] == 2 / 2**4
    alone = cell_tests(hand_made((6, 6, 6, 6))).iloc[0]
    assert (alone["units"], alone["seeds"], alone["p"]) == (4, 4, 2 / 2**4)
    assert alone["high"] < found["high"]


def test_a_single_unit_has_a_mean_and_no_interval():
    """Somebody who turned a parameter and computed one draw was stopped here."""
    found = cell_tests(hand_made((6,), effects=(2.5,))).iloc[0]
    assert (found["units"], found["mean"]) == (1, 2.5)
    assert pd.isna(found["low"]) and pd.isna(found["high"])


def test_the_spread_of_draws_stands_beside_that_of_teachers_of_one_draw():
    table = pd.concat([
        hand_made((6, 6, 5, 5)), hand_made((6, 6, 5, 5), "nano-a.next", "nano-a.next", (2.0, 2.0, 4.0, 4.0)),
        hand_made((6, 6, 5, 5), "nano-a", "nano-a.next", (50.0, 60.0, 70.0, 80.0)),
    ])  # fmt: skip
    found = values.spread(table)
    one = {"mean": 8.5, "lowest": 2, "highest": 15, "between": 13 / math.sqrt(2), "within": math.sqrt((2 + 50) / 2)}
    assert found.loc["nano-a"].to_dict() == pytest.approx(one)
    other = {"mean": 3, "lowest": 2, "highest": 4, "between": math.sqrt(2), "within": 0}
    assert found.loc["nano-a.next"].to_dict() == pytest.approx(other)
    assert found.index.tolist() == list(BASES) and found.index.name == "base"


def test_one_teacher_a_draw_has_no_spread_of_teachers():
    found = values.spread(hand_made((1, 2, 3, 4))).loc["nano-a"]
    assert math.isnan(found["within"]) and found["between"] == pytest.approx(np.std([1, 3, 10, 20], ddof=1))


def test_relatives_have_claims_as_shares_of_the_same_base_and_their_references_have_none():
    effects = {("nano-a", name): place for place, name in enumerate([*RELATIVE_CLAIMS, "nano-a.next"])}
    assert values.relative_claims(table_of(effects)) == {}  # nothing to take a share of
    claims = values.relative_claims(table_of(effects | {("nano-a", "nano-a"): 8.0}))
    assert list(claims) == list(RELATIVE_CLAIMS.values())
    place = list(RELATIVE_CLAIMS).index("nano-a-heads")
    assert claims["crossmodel.shared_heads"] == pytest.approx([place / 8] * 5)
    assert set(RELATIVE_CLAIMS) == set(relatives.RELATIVES) - {"nano-a-more", "nano-a-again"}


def test_cells_are_tested_over_teachers_and_corrected():
    tests = cell_tests(table_of(EFFECTS)).set_index(["teacher", "student"])
    assert tests.loc[("nano-a.next", "nano-a.next"), "mean"] == pytest.approx(9.0)
    assert tests.loc[("nano-a.next", "nano-a-more"), "p"] == 1
    assert tests.loc[("nano-a", "nano-a"), "p"] == values.smallest_p(5, 9)["one cell"] == 2 / 32
    assert tests.loc[("nano-a", "nano-a"), "p_holm"] == pytest.approx(values.smallest_p(5, 9)["corrected"])
    assert list(tests.index) == list(EFFECTS) and set(tests["units"]) == set(tests["seeds"]) == {5}


def test_ten_teachers_are_the_fewest_that_can_mark_a_cell_of_sixteen():
    assert values.smallest_p(10, 16)["corrected"] < 0.05 < values.smallest_p(9, 16)["corrected"]
