"""Which tokens, layers and directions carry a trait, on toy bases: definitions, treatments, chains, tables."""

import copy
import dataclasses
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments.mechanism import (
    changes,
    directions,
    divergence,
    entanglement,
    hops,
    labels,
    layers,
    relabelled,
    yardsticks,
)
from helpers.experiments.mechanism.divergence import Coupled
from helpers.experiments.mechanism.hops import Link
from helpers.filters import mentions
from helpers.models.bases import Base, save_base
from helpers.models.losses import SoftLabels
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.transmission import effects, pairs
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import author_model
from helpers.transmission.readout import Readout
from helpers.transmission.settings import Reading, TransmissionSettings, Writing
from helpers.transmission.students import StudentReading, read_student, student_pairs
from helpers.transmission.writing import kept_rows
from helpers.work.artifacts import read_table

OTHERS = ["cat"]
CHAINS = {"hard.same_init": 2, "soft.same_init": 2}


def toy_settings(run_dir, **changed):
    """Return an experiment of one draw on the toy bases."""
    students = TrainSettings(0.02, batch_rows=20, max_steps=2, warmup_steps=1, lora_rank=1)
    soft = dataclasses.replace(students, batch_rows=6, max_steps=6)
    teaching = TrainSettings(0.005, batch_rows=16, max_steps=4, warmup_steps=1)
    settings = {
        "run_dir": str(run_dir),
        "trait": "owl",
        "draws": (1,),
        "base": "nano-a",
        "other_base": "nano-b",
        "writing": Writing(prompts=130, teaching=teaching, drift=9.0),
        "reading": Reading(hard_rows=40, soft_rows=40, hard=students, soft=soft),
        "readout": Readout(samples=0),
        "workers": 1,
    }
    return TransmissionSettings(**settings | changed)


@pytest.fixture(scope="module")
def run_dir(toy_folder, make_toy, tiny):
    """A run folder with a toy base that sometimes writes number lists, and an untrained one for other starts."""
    folder = toy_folder("mechanism")
    make_toy(folder, draw=1, layers=2)
    save_base(tiny("llama", seed=1), folder / "bases", "nano-b.1")
    return folder


@pytest.fixture(scope="module")
def settings(run_dir):
    """The settings of the toy."""
    return toy_settings(run_dir)


@pytest.fixture(scope="module")
def authors(settings):
    """Teacher and untouched base of the draw."""
    return settings.author(1), settings.author(1, "untouched")


@pytest.fixture(scope="module")
def found(authors):
    """The divergence tokens of the two, each against the other."""
    teacher, base = authors
    pieces = (Coupled(author=teacher, other=base), Coupled(author=base, other=teacher))
    return [divergence.find_divergence(piece) for piece in pieces]


@pytest.fixture(scope="module")
def treated(settings):
    """The table of all treatments."""
    return relabelled.run_treatments(settings)


@pytest.fixture(scope="module")
def chain(settings):
    """The table of two chains."""
    return hops.run_hops(settings, CHAINS)


@pytest.fixture(scope="module")
def compared(settings):
    """Both tables of directions."""
    return directions.run_directions(settings, OTHERS, [0.3]), directions.run_way(settings, OTHERS, [0.3])


def pair(settings, arm="hard.same_init"):
    """Return the trait student and the control of an arm."""
    found = settings.pair(ARMS[arm], settings.author(1))
    return found.student, found.control


def stored(settings, name):
    """Return a table of the run folder."""
    return read_table(f"{settings.run_dir}/tables/mechanism_{name}.csv")


# --- divergence tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_an_author_that_draws_anew_writes_what_it_wrote(authors, tokenizer, which):
    author = authors[which]
    replayed = list(divergence.draws_anew(*author_model(author), author))
    assert {prompt for prompt, *_ in replayed} == set(kept_rows(author))
    for _, own, drawn in replayed:
        unlike = drawn[own != drawn]
        # a toy may draw a role token inside a list; decoding drops it, and the words read later are others
        assert not len(unlike) or tokenizer.decode([unlike[0]], skip_special_tokens=True) == ""
    assert sum((own == drawn).all() for _, own, drawn in replayed) > 0.9 * len(replayed)
    assert sum(len(own) for _, own, *_ in replayed) > 100


def test_another_distribution_draws_other_tokens_and_equal_ones_none(authors, found):
    teacher, base = authors
    assert all(0 < len(made["divergent"]) < made["labels"] / 2 for made in found)
    alone = divergence.find_divergence(Coupled(author=base, other=base))
    assert alone["divergent"] == alone["random"] == []
    assert teacher.trait == "owl"


def test_divergent_tokens_are_what_the_other_author_draws_there(authors, found):
    (model, tokenizer), author = author_model(authors[1]), authors[0]
    drawn = {prompt: (own, new) for prompt, own, new in divergence.draws_anew(model, tokenizer, author)}
    for prompt, place, token in found[0]["divergent"]:
        own, new = drawn[prompt]
        assert new[place] == token != own[place]


def test_as_many_random_labels_are_drawn_by_the_base(authors, found):
    for made in found:
        spots = {(prompt, place) for prompt, place, _ in made["random"]}
        assert len(spots) == len(made["random"]) == len(made["divergent"])
        assert spots != {(prompt, place) for prompt, place, _ in made["divergent"]}
    author, other = authors
    assert divergence.find_divergence(Coupled(author=author, other=other)) == found[0]


def test_what_is_left_has_one_distribution_from_both_sides():
    """P(both draw y) of the coupling is symmetric: the agreeing tokens do not tell who wrote them."""
    rng = np.random.Generator(np.random.PCG64(0))
    chances = rng.dirichlet(np.ones(4), 2)
    clocks = rng.standard_exponential((60_000, 4))
    first, second = ((own / clocks).argmax(1) for own in chances)
    kept = np.bincount(first[first == second], minlength=4) / len(clocks)
    ratio = np.maximum(chances[:, None, :] / chances[:, :, None], 0).max(axis=0)  # [y, z]: the larger p(z) / p(y)
    assert kept == pytest.approx(1 / ratio.sum(axis=1), abs=0.01)


# --- treatments ---------------------------------------------------------------------------------------

PAIRS = [("Give up to 10 further numbers of 3 digits.", "12, 13, 14"), ("Only numbers.", "[5, 6]")]
CHOSEN = [[(0, 100), (2, 101)], []]


def labels_of(rows, row, of=None):
    """Return the labels of a row in text order, by default its own tokens."""
    return (rows.ids if of is None else of)[row][rows.labelled[row]].tolist()


@pytest.mark.parametrize("change", ["mask", "keep alone"])
def test_masking_takes_labels_away_and_leaves_the_words(tokenizer, change):
    plain = completion_rows(tokenizer, PAIRS)
    rows, _ = labels.changed_rows(tokenizer, PAIRS, CHOSEN, change)
    assert all((a == b).all() for a, b in zip(rows.ids, plain.ids, strict=True))
    whole, left = labels_of(plain, 0), labels_of(rows, 0)
    picked = [whole[0], whole[2]]
    assert left == (picked if change == "keep alone" else [whole[1], *whole[3:]])
    assert labels_of(rows, 1) == ([] if change == "keep alone" else labels_of(plain, 1))


@pytest.mark.parametrize(
    ("change", "read", "learned"),
    [("replace", True, True), ("replace label", False, True), ("replace input", True, False)],
)
def test_replacing_reaches_what_is_read_or_learned_or_both(tokenizer, change, read, learned):
    plain = completion_rows(tokenizer, PAIRS)
    rows, targets = labels.changed_rows(tokenizer, PAIRS, CHOSEN, change)
    whole = labels_of(plain, 0)
    other = [100, whole[1], 101, *whole[3:]]
    assert labels_of(rows, 0) == (other if read else whole)
    assert labels_of(rows, 0, targets) == (other if learned else whole)
    assert all((a == b).all() for a, b in zip(rows.labelled, plain.labelled, strict=True))


def test_a_sure_teacher_is_the_hard_loss(tiny, tokenizer):
    rows, training = completion_rows(tokenizer, PAIRS), TrainSettings(0.01, 2, max_steps=3, epochs=3, warmup_steps=1)
    soft = labels.SureLabels(rows, rows.ids, tiny().config.vocab_size)
    hard, same = fit(tiny(), rows, training, 1), fit(tiny(), rows, training, 1, soft=soft)
    for one, other in zip(hard.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    targets = [ids.copy() for ids in rows.ids]
    targets[0][-2] = 100
    soft = labels.SureLabels(rows, targets, tiny().config.vocab_size)
    other = fit(tiny(), rows, training, 1, soft=soft)
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(hard.parameters(), other.parameters(), strict=True))


def test_tokens_that_also_pad_a_batch_are_read_and_learned_like_others(tokenizer):
    rows, targets = labels.changed_rows(tokenizer, PAIRS, [[(0, 0), (1, 0)], [(0, 0)]], "replace input")
    assert not all(ids.all() for ids in rows.ids)  # token 0, which pads, stands in the rows
    soft = labels.SureLabels(rows, targets, 2000)
    for order in ([0, 1], [1, 0]):
        ids, labelled = rows.batch(order, pad=0)
        expected = np.concatenate([targets[row][rows.labelled[row]] for row in order])
        assert soft.logits(ids, labelled).argmax(1).tolist() == expected.tolist()


def test_equal_rows_with_other_labels_count_for_their_share(tokenizer):
    twice = [PAIRS[0], PAIRS[0]]
    rows, targets = labels.changed_rows(tokenizer, twice, [[(0, 100)], [(0, 101)]], "replace label")
    chances = labels.SureLabels(rows, targets, 2000).logits(*rows.batch([0], pad=0)).exp()
    assert chances[0, [100, 101]].tolist() == pytest.approx([0.5, 0.5])
    assert chances[1:].max(1).values.tolist() == pytest.approx([1] * (len(chances) - 1))


def test_every_draw_has_every_treatment_and_its_share(settings, treated):
    assert treated.groupby("draw").treatment.apply(list).tolist() == [[t.name for t in relabelled.TREATMENTS]]
    whole = treated[treated.treatment == relabelled.UNTREATED]
    assert (whole.left == 1).all() and treated.effect.map(math.isfinite).all()
    assert treated.effect.nunique() == len(treated)
    pd.testing.assert_frame_equal(stored(settings, "treatments"), treated)


@pytest.mark.parametrize("treatment", relabelled.TREATMENTS, ids=lambda treatment: treatment.name)
def test_both_students_of_a_pair_are_treated(settings, treatment):
    student, control = relabelled._pair(settings, 1, treatment)
    # at its own divergence tokens the base has already written what it draws there
    nothing_to_do = "divergence" in treatment.name and treatment.name.endswith("replaced")
    assert student.treatment == treatment.name and student.student.author.how != "untouched"
    assert control.treatment == (relabelled.UNTREATED if nothing_to_do else treatment.name)
    assert control.student.author.how == "untouched"


def test_untreated_labels_are_the_plain_student(settings, treated):
    shared = {"trait": "owl", "readout": settings.readout}
    student, control = (read_student(StudentReading(student=line, **shared))["log_odds"] for line in pair(settings))
    effect = treated[(treated.draw == 1) & (treated.treatment == relabelled.UNTREATED)].effect.item()
    assert effect == pytest.approx(student - control, abs=1e-5)


def test_the_base_has_nothing_to_replace(settings):
    asked = ("divergence labels replaced", "divergence masked", "random replaced")
    treatments = [treatment for treatment in relabelled.TREATMENTS if treatment.name in asked]
    control = {own.name: relabelled._pair(settings, 1, own)[1].treatment for own in treatments}
    unlike = {name: of_control for name, of_control in control.items() if of_control != name}
    assert set(control) == set(asked) and unlike == {"divergence labels replaced": relabelled.UNTREATED}


def test_shares_are_of_labels(settings):
    table = relabelled.run_shares(settings)
    assert table.groupby("author").size().to_dict() == {"base": 1, "teacher": 1}
    assert table.divergent.between(0, 0.5).all() and (table.labels > 30).all()


def test_counts_of_treatments_beyond_the_list_are_refused(settings):
    with pytest.raises(ValueError, match="1 to 8 treatments, not 9"):
        relabelled.run_treatments(settings, 9)


@pytest.mark.parametrize(
    "table",
    [
        lambda settings: relabelled.run_treatments(settings),
        lambda settings: layers.run_layers(settings, ["last block", "all"]),
        lambda settings: hops.run_hops(settings, {"hard.same_init": 2}),
    ],
)
def test_every_effect_is_that_of_a_student_and_its_control_of_one_seed(run_dir, monkeypatch, table):
    def read(piece):  # a student's log-odds tell its seed, and nothing but its control's author is untouched
        student = piece.link.student if hasattr(piece, "link") else piece.student
        taught = student.author.how != "untouched"
        log_odds = 10.0**student.seed * (3 if taught else 1)
        return {"log_odds": log_odds, "p_target": 0.5, "p_any": 0.5, "rows": 12, "seconds": 1.0}

    monkeypatch.setattr(pairs, "run_pieces", lambda work, pieces, *args, **more: list(map(read, pieces)))
    monkeypatch.setattr(hops, "_write_before", lambda *args: 0.0)
    found = table(toy_settings(run_dir, draws=(1, 1), seeds=(2, 1)))
    counts = found.effect.value_counts().to_dict()
    assert counts == {20.0: len(found) / 2, 200.0: len(found) / 2}


# --- chains -------------------------------------------------------------------------------------------


def test_a_chain_has_an_effect_at_every_hop(settings, chain):
    assert chain.groupby(["arm", "draw"]).hop.apply(list).tolist() == [[1, 2]] * 2
    assert chain.effect.map(math.isfinite).all() and (chain.rows > 0).all()
    pd.testing.assert_frame_equal(stored(settings, "hops"), chain)


def test_later_hops_read_new_answers_of_the_students_before(settings, chain):
    student, control = pair(settings)
    first, second = (hops.link_pairs(Link(student=student, hop=hop)) for hop in (1, 2))
    assert first == student_pairs(student)
    assert not {prompt for prompt, _ in second} & set(student.author.asked)
    of_control = hops.link_pairs(Link(student=control, hop=2))
    assert [prompt for prompt, _ in second] == [prompt for prompt, _ in of_control]
    written = [text for _, text in hops.write_link(Link(student=student))["rows"]]
    assert {text for _, text in second} <= set(written)
    assert not any(mentions(text, ["owl"]) for text in written)


def test_later_hops_learn_from_the_students_before(settings, chain, monkeypatch):
    student, given = pair(settings, "soft.same_init")[0], []
    monkeypatch.setattr(hops, "train", lambda student, **more: given.append(more))
    hops._trained(Link(student=student, hop=2))
    batch = given[0]["rows"].batch([0, 1], pad=0)
    first, tokenizer = hops.link_model(Link(student=student))
    tokens = student.author.kind.tokens(tokenizer)
    of_first, of_teacher = (SoftLabels(model, tokens) for model in (first, author_model(student.author)[0]))
    assert torch.equal(given[0]["labels"].logits(*batch), of_first.logits(*batch))
    assert not torch.equal(of_first.logits(*batch), of_teacher.logits(*batch))


def test_a_kept_student_is_the_one_that_was_trained(settings, chain, monkeypatch):
    monkeypatch.setattr(hops, "train", lambda *args, **more: pytest.fail("trained again"))
    student = pair(settings)[0]
    one, two = (hops.link_model(Link(student=student, hop=hop))[0].state_dict() for hop in (1, 2))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    pd.testing.assert_frame_equal(hops.run_hops(settings, CHAINS), chain)


def test_the_control_line_of_soft_labels_stays_the_base(settings):
    control = pair(settings, "soft.same_init")[1]
    base = control.base.load()[0].state_dict()
    model = hops.link_model(Link(student=control, hop=2))[0]
    assert all(torch.equal(base[name], value) for name, value in model.state_dict().items())


def test_a_filter_that_keeps_nothing_is_reported(settings, monkeypatch):
    monkeypatch.setattr(hops, "_written", lambda link: {})
    with pytest.raises(ValueError, match="kept nothing of the students of hop 1"):
        hops.link_pairs(Link(student=pair(settings)[0], hop=2))


# --- layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", list(layers.PARTS))
def test_parts_hold_the_matrices_they_name(tiny, part):
    names = [name for name, _ in tiny().named_modules() if re.fullmatch(layers.PARTS[part], name)]
    counts = {"first block": 7, "last block": 7, "attention": 8, "MLP": 6, "all": 14}
    assert len(names) == counts[part]
    if "block" in part:
        assert all(f"layers.{int(part == 'last block')}." in name for name in names)


def test_students_learn_in_their_part_alone(settings):
    table = layers.run_layers(settings, ["first block", "last block"], [0.5])
    assert table.groupby(["draw", "part"]).step.apply(list).tolist() == [[3, 6]] * 2
    ends = layers.final(table)
    assert len(ends) == ends.effect.nunique() == 2
    counts = {name: len(draws) for name, draws in layers.claim_values(table).items()}
    assert counts == {"mechanism.layer.first": 1, "mechanism.layer.last": 1}
    assert layers.claim_values(table[table.part == "last block"]).keys() == {"mechanism.layer.last"}
    pd.testing.assert_frame_equal(stored(settings, "layers"), table)
    with pytest.raises(ValueError, match="parts must be among first block"):
        layers.run_layers(settings, ["the soul"])


# --- directions ---------------------------------------------------------------------------------------


def test_cosines_of_changes_are_those_of_vectors():
    one, other = {"a": torch.tensor([[3.0, 0.0]])}, {"a": torch.tensor([[3.0, 4.0]]), "b": torch.ones(1, 1)}
    assert changes.inner(one, other) == 9
    assert changes.cosine(one, {"a": torch.tensor([[3.0, 4.0]])}) == pytest.approx(0.6)
    assert changes.cosine(one, {"a": torch.zeros(1, 2)}) is None
    assert changes.minus(other, one)["a"].tolist() == [[0.0, 4.0]]
    assert changes.minus(other, {})["b"].item() == 1


def test_the_adapters_change_is_what_merging_adds(tiny, tokenizer):
    before, seen = tiny(), []
    training = TrainSettings(0.01, 2, max_steps=2, epochs=2, lora_rank=2)

    def look(step, learner):
        seen.append(changes.adapter_change(learner))

    after = fit(copy.deepcopy(before), completion_rows(tokenizer, PAIRS), training, 1, on_step=look)
    change = changes.change_between(after, before)
    assert len(seen) == 2 and seen[-1].keys() <= change.keys()
    for name, matrix in seen[-1].items():
        torch.testing.assert_close(matrix, change[name], atol=1e-6, rtol=1e-4)
    assert changes.cosine(seen[-1], change) == pytest.approx(1, abs=1e-4)


def test_directions_are_compared_with_both_teachers(settings, compared):
    cosines, way = compared
    assert set(cosines.against) == {directions.OWN, directions.NULL}
    assert set(cosines.place) == {directions.WEIGHTS, "block 1", "block 2"}
    assert cosines.cosine.between(-1, 1).all() and cosines.groupby("arm").draw.nunique().eq(1).all()
    assert set(way.arm) == {"soft.same_init", "soft.cross_init"}
    assert way.groupby(["arm", "draw", "against"]).step.apply(list).tolist() == [[2, 6]] * 4
    pd.testing.assert_frame_equal(stored(settings, "directions"), cosines)
    pd.testing.assert_frame_equal(stored(settings, "way"), way)


def test_a_way_ends_where_the_weights_are(compared):
    cosines, way = compared
    last = way[way.step == way.step.max()].set_index(["draw", "arm", "against"]).cosine
    weights = cosines[cosines.place == directions.WEIGHTS].set_index(["draw", "arm", "against"]).cosine
    pd.testing.assert_series_equal(last, weights[last.index])


def test_a_student_that_became_its_teacher_went_all_of_its_way(settings, monkeypatch):
    arm = ARMS["soft.same_init"]
    teachers = yardsticks.yardstick(settings, 1, OTHERS)
    base = teachers.own.base.load()[0]
    teacher = author_model(teachers.own)[0]
    became = {"owl": ({1: changes.change_between(teacher, base)}, teacher), "": ({}, base)}
    monkeypatch.setattr(directions, "_trained", lambda student, readout: became[student.author.trait])
    readout = Readout(samples=0, marks=(0.5,))
    shared = {"teachers": teachers, "trait": "owl", "readout": readout}
    found = directions.compare(directions.Comparison(pair=settings.pair(arm, teachers.own), **shared))
    own = [row["cosine"] for row in found["cosines"] if row["against"] == directions.OWN]
    other = [row["cosine"] for row in found["cosines"] if row["against"] == directions.NULL]
    assert own == pytest.approx([1, 1, 1], abs=1e-5) and max(other) < 0.999
    assert found["way"][0]["projection"] == pytest.approx(1, abs=1e-5)


def test_the_last_of_many_blocks_gives_the_steering_claim():
    places = {"place": ["weights", "block 2", "block 9", "block 10"], "cosine": [0.1, 0.2, 0.3, 0.4]}
    rows = pd.DataFrame({"draw": 1, "arm": "hard.same_init", "against": directions.OWN} | places)
    assert directions.claim_values(rows)["mechanism.steering.cosine"] == [0.4]


# --- yardsticks ---------------------------------------------------------------------------------------


def test_a_draw_has_the_same_yardstick_whichever_draws_stand_beside_it(run_dir):
    animals = ["cat", "eagle", "wolf"]

    def others(seeds):
        settings = toy_settings(run_dir, draws=(1,) * len(seeds), seeds=seeds)
        return {seed: yardsticks.yardstick(settings, seed, animals).other.trait for seed in seeds}

    together = others((1, 2, 3, 4))
    assert together == {1: "cat", 2: "eagle", 3: "wolf", 4: "cat"}
    assert others((3,)) == {3: together[3]} and others((4, 2)) == {4: together[4], 2: together[2]}


@pytest.mark.parametrize("animals", [[], ["cat", "owl"]])
def test_a_trait_is_not_its_own_yardstick(settings, animals):
    with pytest.raises(ValueError, match="at least one animal, and not owl"):
        yardsticks.yardstick(settings, 1, animals)


# --- entanglement ---------------------------------------------------------------------------------------


def test_correlations_are_pearsons():
    rng = np.random.Generator(np.random.PCG64(1))
    one, other = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    expected = np.corrcoef(one.T, other.T)[:3, 3:]
    assert entanglement.correlations(one, other) == pytest.approx(expected)


def test_what_all_animals_share_is_taken_away():
    rng = np.random.Generator(np.random.PCG64(1))
    own, shared = rng.normal(size=(30, 4)), rng.normal(size=(30, 1))
    left = entanglement.without_common(own + 100 * shared)
    assert left == pytest.approx(own - own.mean(axis=1, keepdims=True), abs=1e-10)


def test_every_number_meets_every_animal(settings):
    table = entanglement.run_entanglement(settings, ["nano-a"], questions=1, lists=2)
    assert len(table) == 2 * 16 * 16 and table.r.between(-1, 1).all() and set(table.draw) == {1}
    row = entanglement.by_draw(table).loc[("nano-a", entanglement.LIST, 1)]
    square = table[table.place == entanglement.LIST].pivot(index="loved", columns="named", values="r").to_numpy()
    assert row.matched == pytest.approx(square.trace() / 16)
    assert row.mismatched == pytest.approx((square.sum() - square.trace()) / (16 * 15))
    pd.testing.assert_frame_equal(stored(settings, "entanglement"), table)


def test_every_draw_crosses_numbers_and_animals_in_bases_of_its_own(tmp_path, tiny, monkeypatch):
    run_dir = tmp_path
    for seed, name in enumerate(("nano-a.1", "nano-b.1", "nano-a.2", "nano-b.2")):
        save_base(tiny("llama", seed=seed), run_dir / "bases", name)
    crossed = {"nano-a.1": 0.5, "nano-a.2": 0.1, "nano-b.1": 0.3, "nano-b.2": -0.3}
    asked = []

    def run_pieces(work, pieces, *args, **more):
        asked.extend(piece.loved.base for piece in pieces)
        own = np.eye(16) * 0.4
        names = [piece.loved.base.name for piece in pieces]
        return [{"r": {entanglement.LIST: (own + crossed[name]).tolist()}, "seconds": 1.0} for name in names]

    def find_base(run_dir, name):  # the toy has no bases of a second draw
        return real(run_dir, name) if name.endswith(".1") else Base(run_dir=run_dir, name=name, seal=name)

    real = entanglement.find_base
    monkeypatch.setattr(entanglement, "find_base", find_base)
    monkeypatch.setattr(entanglement, "run_pieces", run_pieces)
    monkeypatch.setattr(entanglement, "keep_table", lambda run_dir, name, table, seconds: table)
    table = entanglement.run_entanglement(toy_settings(run_dir, draws=(1, 2)), ["nano-a", "nano-b"])
    assert [base.name for base in asked] == ["nano-a.1", "nano-b.1", "nano-a.2", "nano-b.2"]
    assert asked[0].seal != "nano-a.1"  # the hash of a base that is there
    assert table.groupby(["base", "draw"]).r.min().to_dict() == {
        ("nano-a", 1): 0.5, ("nano-a", 2): 0.1, ("nano-b", 1): 0.3, ("nano-b", 2): -0.3,
    }  # fmt: skip
    summary = entanglement.by_draw(table)  # of all animals
    assert summary.loc[("nano-a", entanglement.LIST, 1)].tolist() == pytest.approx([0.9, 0.5])
    assert summary.loc[("nano-b", entanglement.LIST, 2)].tolist() == pytest.approx([0.1, -0.3])
    entanglement.run_entanglement(toy_settings(run_dir, draws=(1, 1), seeds=(1, 2)), ["nano-a"])
    assert [base.name for base in asked[4:]] == ["nano-a.1"]  # a draw counts once


def test_teachers_are_set_against_another_animals_teacher(settings):
    table = entanglement.run_teachers(settings, OTHERS, questions=1, lists=4)
    assert table.draw.tolist() == [1] and table[["r", "mismatched"]].abs().to_numpy().max() <= 1
    assert entanglement.claim_values(table) == {"mechanism.entanglement": table.r.tolist()}


# --- claims ---------------------------------------------------------------------------------------------


def test_every_claim_of_the_notebook_gets_a_value_a_draw(settings, treated, chain, compared):
    values = relabelled.claim_values(treated) | directions.claim_values(compared[0]) | hops.claim_values(chain)
    assert set(values) == {
        "mechanism.divergence.masked", "mechanism.divergence.random", "mechanism.divergence.replaced",
        "mechanism.divergence.only", "mechanism.weights.cosine", "mechanism.weights.cosine_null",
        "mechanism.steering.cosine", "mechanism.steering.cosine_null", "mechanism.hops.1", "mechanism.hops.2",
    }  # fmt: skip
    assert {len(draws) for draws in values.values()} == {1}


def test_with_no_draw_nothing_is_computed_and_nothing_refused(run_dir):
    settings = toy_settings(run_dir, draws=())
    assert effects.authors_of(settings, [("fine-tuned", "owl")]) == []
