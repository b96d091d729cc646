"""The theorem in numbers: its formula, both of its cases, other starts, and many steps, on toys."""

import copy
import dataclasses
import itertools

import pandas as pd
import pytest
import torch

from helpers.experiments.theorem import alignment, degenerate, networks, one_step, theorem
from helpers.experiments.theorem.alignment import AlignmentSettings, Training
from helpers.experiments.theorem.degenerate import CONSTRUCTIONS, Case
from helpers.experiments.theorem.one_step import ENTROPY, LOSSES, SQUARED, Network, check_steps
from helpers.experiments.theorem.theorem import TheoremSettings
from helpers.mnist import mlp
from helpers.models import bases
from helpers.models.bases import save_base
from helpers.models.losses import label_logits
from helpers.work import artifacts
from helpers.work.seeds import torch_stream

STEPS = [1e-6, 1e-4, 1.0]


@pytest.fixture(scope="module")
def toy(tmp_path_factory, tiny):
    """Settings of a small check, in a run folder that holds two tiny bases a draw."""
    folder = tmp_path_factory.mktemp("run")
    for seed, name in enumerate(("nano-a.1", "nano-a.2", "nano-a.3")):
        save_base(tiny("llama", seed=seed), folder / "bases", name)
    return TheoremSettings(
        run_dir=str(folder), draws=(1, 2), image_kinds=("uniform", "constant"), text_kinds=("numbers", "random tokens"),
        small_steps=STEPS[:2], large_steps=STEPS[2:], width=6, lessons=32, images=16, texts=2, strangers=2, workers=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def steps(toy):
    """The table of the toy."""
    return theorem.run_steps(toy)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Settings and table of a short imitation."""
    folder = tmp_path_factory.mktemp("long")
    training = Training(steps=40, teacher_steps=60, width=24, batch=64)
    settings = AlignmentSettings(run_dir=str(folder), draws=(1, 2), training=training, workers=1)
    return settings, alignment.run_alignment(settings)


def linear(weights, goal):
    """Return a linear network of two outputs on three inputs, whose teacher pulls the weights to `goal`."""
    return Network(
        weights, lambda theta, x: x @ theta.view(3, 2), lambda theta: 0.5 * (theta - goal).square().sum()
    )


def normal(*shape, seed=0):
    """Return normal numbers in float64."""
    return torch.randn(*shape, generator=torch_stream(seed, "test"), dtype=torch.float64)


# --- the formula ----------------------------------------------------------------------------------


def test_a_linear_network_has_the_slope_one_can_write_down():
    network, x = linear(normal(6), normal(6, seed=1)), normal(5, 3, seed=2)
    direction = one_step.teacher_direction(network)
    moved = x @ direction.view(3, 2)
    expected = float(moved.square().sum() / 5)
    assert one_step.predicted_slope(network, SQUARED, x, direction) == pytest.approx(expected, rel=1e-12)
    p = network.outputs(network.theta, x).softmax(1)
    hessians = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    expected = float((moved[:, None] @ hessians @ moved[:, :, None]).mean())
    assert one_step.predicted_slope(network, ENTROPY, x, direction) == pytest.approx(expected, rel=1e-10)


def test_a_linear_network_keeps_its_slope_at_any_step():
    network, x = linear(normal(6), normal(6, seed=1)), normal(5, 3, seed=2)
    cells = pd.DataFrame(check_steps(network, [], x, steps=[1e-3, 1.0, 100.0], rate=0.1))
    squared = cells[cells.loss == SQUARED]
    assert squared.inner.tolist() == pytest.approx(squared.predicted.tolist(), rel=1e-9)


def test_directions_are_the_gradients_of_the_named_losses():
    outputs, targets = normal(4, 3).requires_grad_(), normal(4, 3, seed=1)
    for loss, residual in ((SQUARED, outputs - targets), (ENTROPY, outputs.softmax(1) - targets.softmax(1))):
        (found,) = torch.autograd.grad(one_step.imitation_loss(loss, outputs, targets), outputs)
        torch.testing.assert_close(found, residual.detach() / 4)


def test_a_student_of_the_untouched_teacher_does_not_move_if_it_shares_its_start():
    network, x = linear(normal(6), normal(6, seed=1)), normal(5, 3, seed=2)
    for loss in LOSSES:
        untouched = network.outputs(network.theta, x)
        assert one_step.student_direction(network, loss, x, untouched).norm() < 1e-15
        assert one_step.student_direction(linear(normal(6, seed=3), 0), loss, x, untouched).norm() > 0.1


def test_strangers_steps_are_as_long_as_the_students():
    x, lengths = normal(5, 3, seed=2), []
    network, stranger = linear(normal(6), normal(6, seed=1)), linear(normal(6, seed=3), normal(6, seed=1))

    def noting(theta):
        lengths.append(float((theta - stranger.theta).norm()))
        return stranger.teacher_loss(theta)

    watched = dataclasses.replace(stranger, teacher_loss=noting)
    check_steps(network, [watched], x, steps=[0.01], rate=0.1)
    target = network.outputs(network.theta + 0.01 * one_step.teacher_direction(network), x)
    own = [float(0.1 * one_step.student_direction(network, loss, x, target).norm()) for loss in LOSSES]
    assert sorted(length for length in lengths if length) == pytest.approx(sorted(own * 2), rel=1e-9)


# --- the networks ---------------------------------------------------------------------------------


def test_the_digit_network_is_the_one_of_the_digits_notebook():
    sizes = networks.mlp_sizes(8)
    theta, images = networks.mlp_start(3, 8), normal(4, 784)
    hidden = images
    for level, (weights, bias) in enumerate(mlp.start(3, sizes).layers):
        hidden = (torch.nn.functional.gelu(hidden) if level else hidden) @ weights.double() + bias
    torch.testing.assert_close(networks.mlp_outputs(theta, images, sizes), hidden)


@pytest.mark.parametrize("kind", networks.IMAGE_KINDS)
def test_images_of_every_kind_are_those_of_the_draw(kind):
    first, again, other = (networks.image_inputs(kind, 6, seed) for seed in (1, 1, 2))
    assert first.shape == (1 if kind == "one image" else 6, 784) and first.dtype == torch.float64
    assert first.abs().max() <= (1 if kind != "gaussian" else 4) and torch.isfinite(first).all()
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_exact_language_model_says_what_the_model_says(tiny, tokenizer):
    model = tiny("llama")
    ids, labelled = networks.text_inputs("numbers", 3, 1, model, tokenizer)
    rounded = label_logits(model, ids, labelled)
    exact = label_logits(networks.exact_model(copy.deepcopy(model)), ids, labelled)
    assert exact.dtype == torch.float64 and len(exact) > 10
    torch.testing.assert_close(exact.float(), rounded, atol=1e-4, rtol=1e-4)


def test_the_student_of_a_language_model_sees_number_tokens_only(tiny, tokenizer):
    model = tiny("llama")
    span = networks.text_inputs("random tokens", 2, 1, model, tokenizer)
    network = networks.language_network(model, tokenizer, "owl", 1)
    tokens = networks.NUMBERS.tokens(tokenizer)
    assert network.outputs(network.theta, span).shape == (2 * 47, len(tokens))
    assert tokenizer.convert_tokens_to_ids(" owl") not in tokens
    assert network.teacher_loss(network.theta) > 1


# --- the checks -----------------------------------------------------------------------------------


def test_the_table_has_every_step_of_every_student(toy, steps):
    cells = 2 * len(LOSSES) * len(STEPS)  # kinds of input, losses, sizes
    counts = steps.groupby(["network", "start", "draw"]).size()
    assert counts["digits", "same"].tolist() == counts["language", "other"].tolist() == [cells] * 2
    assert counts["digits", "other"].tolist() == [cells * toy.strangers] * 2
    assert steps.small.eq(steps.step < 1).all() and steps.attrs["seconds"] > 0
    stored = artifacts.read_table(f"{toy.run_dir}/tables/theorem_steps.csv")
    pd.testing.assert_frame_equal(stored, steps)


def test_small_steps_of_the_same_start_do_what_the_theorem_says(steps):
    tested = theorem.with_tests(steps[(steps.start == "same") & steps.small])
    assert tested.both.all() and (tested.inner == tested.inner_alone).all()
    assert tested[tested.step == STEPS[0]].ratio.between(0.999, 1.001).all()


def test_other_starts_do_not(steps):
    tested = theorem.with_tests(steps[(steps.start == "other") & steps.small])
    assert 0 < tested.along.mean() < 1
    assert (tested.inner_alone != tested.inner).all()


def test_claims_get_one_value_a_draw(steps):
    values = theorem.claim_values(steps)
    names = ("theorem.positive_fraction", "theorem.positive_fraction_cross", "theorem.slope")
    assert {name: len(draws) for name, draws in values.items()} == dict.fromkeys(names, 2)
    assert values["theorem.positive_fraction"] == [1.0, 1.0]
    assert values["theorem.slope"] == pytest.approx([1.0, 1.0], abs=0.001)


def test_claims_are_means_over_the_small_steps_of_each_draw():
    rows = []
    for draw, start, kind, step in itertools.product((2, 1), ("same", "other"), ("digits", "noise"), STEPS):
        good = (start == "same" or kind == "digits") and step < 1
        along = 1.0 if good else -1.0
        row = {"draw": draw, "start": start, "inputs": kind, "step": step, "small": step < 1, "inner": along}
        rows.append(row | {"fall": along, "predicted": 1.0 / draw})
    values = theorem.claim_values(pd.DataFrame(rows))
    assert values == {
        "theorem.positive_fraction": [1.0, 1.0],
        "theorem.positive_fraction_cross": [0.5, 0.5],
        "theorem.slope": [1.0, 2.0],
    }


def test_summaries_are_taken_over_small_steps(steps):
    table = theorem.shares(steps)
    assert (table.loc[("digits", "same")] == 1).all()
    assert set(theorem.slopes(steps)["count"]) == {4}
    alone = theorem.shares_alone(steps)
    assert alone.loc[("digits", "same")].tolist() == [1, 1]


def test_a_second_run_computes_nothing_and_says_the_same(toy, steps, monkeypatch):
    monkeypatch.setattr(theorem, "check_steps", lambda *given: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(theorem.run_steps(toy), steps)


def test_a_draw_alone_gives_the_rows_it_gives_beside_others(toy, steps):
    alone = theorem.run_steps(dataclasses.replace(toy, draws=(2,)))
    own = steps[steps.draw == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, own, check_exact=True)


def test_every_draw_is_checked_on_its_own_bases(toy):
    pieces = [piece for piece in toy.pieces() if piece.network == theorem.LANGUAGE]
    names = {(piece.draw, piece.base.name, piece.other_base.name) for piece in pieces}
    assert names == {(1, "nano-a.1", "nano-a.2"), (2, "nano-a.2", "nano-a.3")}
    seals = {piece.base.seal for piece in pieces} | {piece.other_base.seal for piece in pieces}
    assert len(seals) == 3


def test_a_new_base_means_new_work(toy, monkeypatch):
    pieces = [piece for piece in toy.pieces() if piece.network == theorem.LANGUAGE]
    monkeypatch.setattr(bases, "base_seal", lambda run_dir, name: "another")
    assert not {str(piece) for piece in pieces} & {str(piece) for piece in toy.pieces()}


# --- the other case ---------------------------------------------------------------------------------


def built(case, draw=1):
    """Return a small construction: the network and its inputs."""
    return CONSTRUCTIONS[case](Case(draw=draw, case=case, steps=STEPS, rate=0.1, width=8, lessons=32, images=16))


@pytest.mark.parametrize("case", ["separate wires", "silenced weights"])
@pytest.mark.parametrize("draw", [1, 2])
def test_teachers_no_output_can_show_leave_the_product_at_zero(case, draw):
    network, inputs = built(case, draw)
    assert one_step.learned_by_step(network, 0.1) > 1e-4
    cells = check_steps(network, [], inputs, steps=[1e-6, 1.0, 1000.0], rate=0.1)
    assert [cell["inner"] for cell in cells] == [0.0] * 6
    assert [cell["predicted"] for cell in cells] == [0.0] * 6


def test_a_common_shift_is_seen_by_one_loss_only():
    network, inputs = built("common shift")
    found = pd.DataFrame(check_steps(network, [], inputs, steps=[0.01, 1.0], rate=0.1)).groupby("loss").inner
    assert found.min()[SQUARED] > 1e-4
    assert found.agg(lambda inner: inner.abs().max())[ENTROPY] < 1e-15


def test_the_degenerate_table_has_rows_by_draw_and_its_summary_the_worst_of_them(toy):
    table = degenerate.run_degenerate(toy)
    assert table.groupby("draw").size().tolist() == [len(CONSTRUCTIONS) * 2] * 2
    worst = degenerate.worst_cases(table).set_index(["case", "loss"])
    assert len(worst) == len(CONSTRUCTIONS) * 2 and (worst.learned > 0).all()
    assert (worst.loc["separate wires"].inner == 0).all()
    assert (worst.loc["none (for comparison)"].inner > 0).all()
    shift = table[(table.case == "common shift") & (table.loss == SQUARED)]
    assert worst.learned["common shift", SQUARED] == shift.learned.min()
    assert worst.inner["common shift", SQUARED] == shift.inner.max()


# --- many steps -------------------------------------------------------------------------------------


def test_every_student_is_followed_from_its_first_step_to_its_last(followed):
    settings, table = followed
    assert table.groupby(["draw", "optimizer", "start"]).ngroups == 8
    assert table.step.min() == 1 and table.step.max() == settings.training.steps
    pd.testing.assert_frame_equal(
        artifacts.read_table(f"{settings.run_dir}/tables/theorem_alignment.csv"), table
    )


def test_the_first_step_is_all_of_the_way_so_far(followed):
    first = followed[1][followed[1].step == 1]
    assert first.total_cosine.tolist() == pytest.approx(first.step_cosine.tolist(), abs=1e-6)


def test_the_way_of_a_student_with_the_same_start_turns_to_the_teachers(followed):
    ends = alignment.ends(followed[1])
    for optimizer in ("Adam", "SGD"):
        assert ends.total_cosine[optimizer, "same"] > 0.1 > abs(ends.total_cosine[optimizer, "other"])
    assert (ends.loss_left < 1).all()


def test_equal_progress_is_read_at_the_first_step_that_has_it():
    left = {1: {1: 0.9, 2: 0.6, 4: 0.45}, 2: {1: 0.9, 2: 0.6, 4: 0.55}}
    rows = []
    for draw, shares in left.items():
        rows += [(draw, "Adam", "same", step, share, share, share, 0.1) for step, share in shares.items()]
    columns = ["draw", "optimizer", "start", "step", "step_cosine", "total_cosine", "loss_left", "accuracy"]
    found = alignment.at_equal_progress(pd.DataFrame(rows, columns=columns))
    assert found.index.tolist() == [(0.7, "same", "Adam")]  # the second draw never comes to one half
    assert found.step.tolist() == [2] and found.total_cosine.tolist() == [0.6]


def test_a_single_draw_has_ends_without_intervals(followed):
    table = followed[1]
    ends = alignment.ends(table[table.draw == 1])
    assert ends["total_cosine from"].isna().all() and ends.total_cosine.notna().all()


def test_progress_nobody_makes_is_an_empty_table(followed):
    table = followed[1]
    assert alignment.at_equal_progress(table[table.step == 1]).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": [1, 1]}, "draws must be different seeds"),
        ({"image_kinds": ["static"]}, "image_kinds must be among uniform"),
        ({"image_kinds": []}, "image_kinds must name at least one"),
        ({"text_kinds": ["poems"]}, "text_kinds must be among numbers"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"images": 0}, "images must be above 0 and whole"),
        ({"strangers": -1}, "strangers must be above 0 and whole"),
        ({"workers": -1}, "workers must be a whole number in"),
        ({"small_steps": []}, "small_steps must name at least one"),
        ({"large_steps": [-1.0]}, "large_steps must be above 0, got -1.0"),
        ({"trait": "unicorn"}, "unknown animal"),
    ],
)
def test_settings_no_check_could_use_are_refused(toy, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(toy, **change)


def test_settings_no_imitation_could_use_are_refused(followed):
    with pytest.raises(ValueError, match="sgd_rate must be above 0"):
        Training(sgd_rate=0.0)
    with pytest.raises(ValueError, match="steps must be above 0 and whole, got -400"):
        Training(steps=-400)
    with pytest.raises(ValueError, match="draws must be different"):
        dataclasses.replace(followed[0], draws=[3, 3])
