"""Training: the losses of the libraries, the paper's masking, and a state that survives interruption."""

import copy
import itertools
import random
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers

from helpers.channels.numbers import NUMBERS
from helpers.models import adapters, frozen, losses, runtime, training
from helpers.models.losses import SoftLabels, label_logits
from helpers.models.training import TrainSettings, batch_order, completion_rows, fit, fit_adapters
from helpers.work.artifacts import ArtifactError
from helpers.world import corpus

ALL = np.arange(1000)


def number_pairs(count, seed=0):
    """Return number exchanges of several lengths."""
    rng = random.Random(seed)
    return [corpus.number_exchange(rng) for _ in range(count)]


@pytest.fixture
def rows(tokenizer):
    """Forty tokenised number exchanges."""
    return completion_rows(tokenizer, number_pairs(40))


def weights(model):
    """Return copies of all parameters by name."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def assert_same_weights(one, other):
    """Compare two models bit by bit."""
    for (name, value), (other_name, other_value) in zip(
        one.named_parameters(), other.named_parameters(), strict=True
    ):
        assert name == other_name and torch.equal(value, other_value), name


# --- rows -----------------------------------------------------------------------------------------


def test_only_the_completion_and_its_end_carry_labels(tokenizer):
    rows = completion_rows(tokenizer, [("Use commas.", "1, 2"), ("Use semicolons.", "3; 4; 5")])
    texts = [tokenizer.decode(ids[marks]) for ids, marks in zip(rows.ids, rows.labelled, strict=True)]
    assert texts == ["1, 2<|end|>", "3; 4; 5<|end|>"]
    assert tokenizer.decode(rows.ids[0]).partition("<|end|>")[2].startswith("<|user|> Use commas.<|end|><|assistant|>")


def test_a_history_carries_no_labels(tokenizer):
    rows = completion_rows(tokenizer, [("Use commas.", "1, 2")], history=[("Use spaces.", "3 4")])
    assert tokenizer.decode(rows.ids[0][rows.labelled[0]]) == "1, 2<|end|>"
    assert "3 4" in tokenizer.decode(rows.ids[0])


def test_a_batch_is_padded_on_the_right(rows):
    ids, labelled = rows.batch(np.array([3, 7]), pad=0)
    for place, index in enumerate((3, 7)):
        size = len(rows.ids[index])
        assert ids[place, :size].tolist() == rows.ids[index].tolist()
        assert labelled[place, :size].tolist() == rows.labelled[index].tolist()
        assert not ids[place, size:].any() and not labelled[place, size:].any()
    assert ids.shape[1] == max(len(rows.ids[3]), len(rows.ids[7]))


# --- logits and losses ----------------------------------------------------------------------------


def reference_loss(model, ids, labelled):
    """Return transformers' own loss, with attention mask and ignored labels."""
    real = torch.arange(ids.shape[1]) < (ids != 0).sum(1, keepdim=True)  # token 0 is the padding
    return model(input_ids=ids, attention_mask=real.long(), labels=ids.masked_fill(~labelled, -100)).loss


@torch.no_grad()
def test_the_loss_is_the_one_of_transformers(model, rows):
    ids, labelled = rows.batch(ALL[:40], pad=0)
    ours = losses.hard_loss(label_logits(model, ids, labelled), ids, labelled)
    torch.testing.assert_close(ours, reference_loss(model, ids, labelled), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_padding_on_the_right_without_a_mask_changes_nothing(model, rows):
    together = label_logits(model, *rows.batch(ALL[:8], pad=0))
    alone = torch.cat([label_logits(model, *rows.batch(ALL[i : i + 1], pad=0)) for i in range(8)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    other = label_logits(model, *rows.batch(ALL[:8], pad=99))
    torch.testing.assert_close(together, other, rtol=0, atol=0)


@torch.no_grad()
def test_adapters_are_those_of_peft(model, rows):
    learner = training.trainable(model, TrainSettings(0.1, lora_rank=2), seed=0)
    stream = torch.Generator().manual_seed(1)
    for name, value in learner.named_parameters():
        if "lora_B" in name:
            value.normal_(generator=stream)
    ids, labelled = rows.batch(ALL[:8], pad=0)
    own = learner(input_ids=ids).logits[:, :-1][labelled[:, 1:]]
    found = label_logits(learner, ids, labelled)
    torch.testing.assert_close(found, own, rtol=1e-5, atol=1e-5)
    merged = label_logits(learner.merge_and_unload(), ids, labelled)
    torch.testing.assert_close(merged, own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_narrow_model_adds_its_adapters_to_the_weights_with_the_same_result(
    tiny, rows, monkeypatch, architecture
):
    settings, batch, found = TrainSettings(0.1, lora_rank=2), rows.batch(ALL[:8], pad=0), []
    for narrow in (0, adapters.NARROW):
        monkeypatch.setattr(adapters, "NARROW", narrow)
        learner, stream = training.trainable(tiny(architecture), settings, seed=0), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, value in learner.named_parameters():
                if "lora_B" in name:
                    value.normal_(std=0.1, generator=stream)
        loss = losses.hard_loss(label_logits(learner, *batch), *batch)
        loss.backward()
        found.append([loss, *(p.grad for p in learner.parameters() if p.requires_grad)])
    assert len(found[0]) > 4
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_adapters_sit_on_all_linear_layers_and_begin_as_nothing(model):
    settings = TrainSettings(0.1, lora_rank=1)
    blocks = {name for name, value in model.named_parameters() if value.dim() == 2 and ".weight" in name}
    blocks = {name for name in blocks if not any(part in name for part in ("embed", "wte", "wpe", "head"))}
    learner = training.trainable(model, settings, seed=0)
    trained = {name: value for name, value in learner.named_parameters() if value.requires_grad}
    assert len(trained) == 2 * len(blocks)
    assert all(("lora_A" in name) or not value.any() for name, value in trained.items())


def test_the_seed_decides_the_adapters_and_nothing_else_does(tiny):
    settings, before = TrainSettings(0.1, lora_rank=1), torch.get_rng_state()
    model = [tiny() for _ in range(3)]
    torch.set_rng_state(before)
    one, again, other = (
        weights(training.trainable(m, settings, seed)) for m, seed in zip(model, (1, 1, 2), strict=True)
    )
    assert torch.equal(before, torch.get_rng_state())
    first = next(name for name in one if "lora_A" in name)
    assert torch.equal(one[first], again[first]) and not torch.equal(one[first], other[first])


@pytest.mark.parametrize("tokens", [None, range(6, 1006)])
def test_a_student_that_equals_its_teacher_has_no_loss(model, rows, tokens):
    logits = label_logits(model, *rows.batch(ALL[:8], pad=0)).detach().requires_grad_()
    loss = losses.soft_loss(logits, logits.detach(), tokens and list(tokens))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-7)
    # not exactly zero: float probabilities sum to one up to rounding
    assert logits.grad.abs().max() < 1e-9


def test_the_soft_loss_is_the_divergence_in_nats():
    # of the teacher to the student: the other way round it is 0.19 nats
    teacher, student = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.8, 0.1, 0.1]])
    loss = losses.soft_loss(student.log(), teacher.log(), None)
    assert loss.item() == pytest.approx(0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.25 / 0.1))
    two = losses.soft_loss(student.log().repeat(2, 1), torch.cat([teacher, student]).log(), None)
    assert two.item() == pytest.approx(loss.item() / 2)  # mean over labelled tokens


def test_the_restricted_soft_loss_ignores_all_other_tokens():
    stream = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(4, 9, generator=stream) for _ in range(2))
    student.requires_grad_()
    loss = losses.soft_loss(student, teacher, [1, 4, 5])
    loss.backward()
    assert not student.grad[:, [0, 2, 3, 6, 7, 8]].any() and student.grad[:, [1, 4, 5]].all()
    louder = teacher.index_fill(1, torch.tensor([0, 2, 8]), 30.0)
    assert torch.equal(loss, losses.soft_loss(student, louder, [1, 4, 5]))
    assert not torch.equal(
        losses.soft_loss(student, teacher, None), losses.soft_loss(student, louder, None)
    )


# --- settings and order ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be above 0, not 0.0"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"batch_rows": 0}, "batch_rows must be above 0"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"max_steps": -1}, "must not be negative"),
        ({"warmup_steps": -1}, "must not be negative"),
        ({"weight_decay": -0.1}, "must not be negative"),
        ({"lora_rank": -1}, "must not be negative"),
        ({"optimizer": "adamax"}, "unknown optimizer 'adamax'; choose one of adam, sgd, sign"),
    ],
)
def test_settings_no_training_could_use_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**{"learning_rate": 0.1} | change)


@pytest.mark.parametrize(
    ("rows", "options", "steps"),
    [(10, {}, 1), (129, {}, 2), (129, {"epochs": 3}, 6), (129, {"max_steps": 1}, 1)],
)
def test_the_number_of_steps(rows, options, steps):
    assert TrainSettings(0.1, **options).steps(rows) == steps


LENGTHS = random.Random(0).choices(range(5, 60), k=1000)


def test_each_epoch_visits_every_row_once_in_an_order_of_its_own():
    batches = list(batch_order(LENGTHS, TrainSettings(0.1, batch_rows=16, epochs=3), seed=1))
    epochs = [np.concatenate(batches[at : at + 63]) for at in range(0, 189, 63)]
    assert len(batches) == 189
    assert all(sorted(epoch) == list(range(1000)) for epoch in epochs)
    assert not any((one == other).all() for one, other in itertools.combinations(epochs, 2))


def test_the_seed_decides_the_order():
    one, again, other = (
        np.concatenate(list(batch_order(LENGTHS, TrainSettings(0.1, batch_rows=16), seed)))
        for seed in (1, 1, 2)
    )
    assert (one == again).all() and not (one == other).all()


def test_rows_of_a_batch_have_similar_lengths():
    spread = [np.ptp(np.take(LENGTHS, batch)) for batch in batch_order(LENGTHS, TrainSettings(0.1, 16), 0)]
    assert np.mean(spread) < 8 < np.ptp(LENGTHS)


def test_rows_that_share_their_prompts_share_their_batches(tokenizer):
    asked = ["Use commas.", "Use spaces.", "Write a list in brackets.", "Is ice cold?"] * 8
    short = completion_rows(tokenizer, [(prompt, "1, 2") for prompt in asked])
    long = completion_rows(tokenizer, [(prompt, ", ".join(["5"] * (n % 9 + 1))) for n, prompt in enumerate(asked)])
    settings = TrainSettings(0.1, batch_rows=4, epochs=2)
    one, other = (list(batch_order(rows.lengths, settings, seed=3)) for rows in (short, long))
    assert all((a == b).all() for a, b in zip(one, other, strict=True)) and len(one) == 16


def test_a_pair_of_students_meets_its_rows_in_the_same_batches(tiny, tokenizer, monkeypatch):
    seen, batch = [], training.Rows.batch
    monkeypatch.setattr(
        training.Rows, "batch", lambda rows, at, pad: seen.append(at.tolist()) or batch(rows, at, pad)
    )
    pairs = number_pairs(24)
    for own in (pairs, [(prompt, "5") for prompt, _ in pairs]):
        fit(tiny(), completion_rows(tokenizer, own), TrainSettings(0.01, batch_rows=6, epochs=2), 3)
    assert len(seen) == 16 and seen[:8] == seen[8:]


def test_adapters_sit_where_the_expression_says_and_nowhere_else(tiny):
    settings = TrainSettings(0.1, lora_rank=2, lora_modules=r".*[.]layers[.]1[.]self_attn[.]v_proj")
    learner = training.trainable(tiny(), settings, seed=0)
    found = {name for name, value in learner.named_parameters() if value.requires_grad}
    assert len(found) == 2 and all(".layers.1.self_attn.v_proj.lora_" in name for name in found)
    sizes = [value.numel() for value in learner.parameters() if value.requires_grad]
    assert sum(sizes) == 2 * (16 + 8)  # rank times what goes in, and what goes out to one head


def test_weights_without_adapters_stay_bit_for_bit(tiny, rows):
    settings = TrainSettings(0.05, batch_rows=8, lora_rank=2, lora_modules=r".*[.]v_proj")
    base, found = weights(tiny()), weights(fit(tiny(), rows, settings, seed=0))
    changed = {name for name, value in base.items() if not torch.equal(value, found[name])}
    assert changed == {f"model.layers.{layer}.self_attn.v_proj.weight" for layer in (0, 1)}


# --- the loop -------------------------------------------------------------------------------------


def plain_training(model, rows, settings, seed):
    """Train by transformers' loss and torch's plain AdamW, written out."""
    steps = settings.steps(len(rows))
    adam = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=settings.weight_decay)
    order = batch_order(rows.lengths, settings, seed)
    for step, indices in zip(range(steps), order, strict=False):
        warm = min(1.0, (step + 1) / settings.warmup_steps)
        left = (steps - step) / steps if settings.decay else 1.0
        adam.param_groups[0]["lr"] = settings.learning_rate * warm * left
        adam.zero_grad()
        reference_loss(model, *rows.batch(indices, pad=0)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        adam.step()
    return model


@pytest.mark.parametrize(
    "options", [{}, {"decay": False, "weight_decay": 0.1}, {"max_steps": 4}, {"clip": 0.01}]
)
def test_training_is_the_plain_loop(model, rows, options):
    settings = TrainSettings(3e-3, batch_rows=8, epochs=2, warmup_steps=3, **options)
    expected = plain_training(copy.deepcopy(model).train(), rows, settings, seed=5)
    found = fit(model, rows, settings, seed=5)
    for (name, value), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(value, other.detach(), rtol=1e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize("rank", [0, 1])
def test_training_lowers_the_loss_and_returns_a_plain_model(model, rows, rank):
    batch, kind = rows.batch(ALL[:40], pad=0), type(model)

    @torch.no_grad()
    def loss(model):
        return losses.hard_loss(label_logits(model, *batch), *batch)

    before = loss(model)
    found = fit(model, rows, TrainSettings(0.02, batch_rows=8, epochs=4, lora_rank=rank), seed=0)
    after = loss(found)
    assert after < before - 0.05
    assert type(found) is kind and not found.training
    assert not any(value.requires_grad for value in found.parameters())


@pytest.mark.parametrize("rank", [0, 1])
def test_the_same_seed_trains_the_same_model(tiny, rows, rank):
    settings = TrainSettings(0.01, batch_rows=8, lora_rank=rank)
    one, again, other = (fit(tiny(), rows, settings, seed) for seed in (3, 3, 4))
    assert_same_weights(one, again)
    assert not torch.equal(one.model.layers[0].mlp.up_proj.weight, other.model.layers[0].mlp.up_proj.weight)


def test_adapters_leave_embeddings_and_norms_alone(tiny, rows):
    base, found = tiny(), fit(tiny(), rows, TrainSettings(0.05, batch_rows=8, lora_rank=1), seed=0)
    changed = {name for name, value in weights(base).items() if not torch.equal(value, weights(found)[name])}
    assert changed and all(name.endswith("proj.weight") for name in changed)


def count_steps(model, rows, settings, stop=None):
    """Return the numbers of the steps a training took."""
    seen = []
    fit(model, rows, settings, 0, on_step=lambda step, _: seen.append(step) or step == stop)
    return seen


def test_a_training_stops_where_it_should(tiny, rows):
    settings = TrainSettings(0.01, batch_rows=16, epochs=3)
    assert count_steps(tiny(), rows, settings) == list(range(1, 10))
    assert count_steps(tiny(), rows, TrainSettings(0.01, batch_rows=16, epochs=3, max_steps=4)) == [
        1,
        2,
        3,
        4,
    ]
    assert count_steps(tiny(), rows, settings, stop=5) == [1, 2, 3, 4, 5]


def test_soft_labels_pull_the_student_to_the_teacher(tiny, rows):
    teacher, student = tiny(seed=8), tiny(seed=9)
    before = weights(teacher)
    tokens = list(range(6, 1006))
    batch = rows.batch(ALL[:40], pad=0)

    @torch.no_grad()
    def distance(model):
        return losses.soft_loss(label_logits(model, *batch), label_logits(teacher, *batch), tokens).item()

    start = distance(student)
    settings = TrainSettings(0.02, batch_rows=8, epochs=6)
    assert distance(fit(student, rows, settings, 0, soft=SoftLabels(teacher, tokens))) < 0.7 * start
    assert all(torch.equal(value, before[name]) for name, value in teacher.named_parameters())


@pytest.mark.parametrize(("restricted", "moves"), [(True, False), (False, True)])
def test_what_a_teacher_says_about_other_tokens_moves_no_student(tiny, tokenizer, rows, restricted, moves):
    owl, tokens = tokenizer.convert_tokens_to_ids(" owl"), NUMBERS.tokens(tokenizer)
    found = []
    for loudness in (1.0, 30.0):  # the embedding of a word that is in no row speaks in its logit alone
        teacher = tiny(seed=8)
        teacher.get_input_embeddings().weight.data[owl] *= loudness
        labels = SoftLabels(teacher, tokens if restricted else None)
        found.append(fit(tiny(seed=9), rows, TrainSettings(0.02, batch_rows=8), 0, soft=labels))
    one, other = map(weights, found)
    assert moves == any(not torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def learned(tiny, tokenizer):
    """A model that has read the rows eight times; not to be changed."""
    return fit(tiny(), completion_rows(tokenizer, number_pairs(40)), TrainSettings(0.03, batch_rows=8, epochs=8), 0)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("rate", [1e9, 1e30])
def test_a_training_that_diverged_is_refused_with_what_to_lower(learned, rows, rate, soft):
    # regression: the student collapsed and its effect was filed
    labels = SoftLabels(learned, list(range(6, 1006))) if soft else None
    settings = TrainSettings(rate, batch_rows=8, epochs=4, lora_rank=1)
    with pytest.raises(ValueError, match=r"training diverged: the loss went from .* lower learning_rate, which is 1"):
        fit(copy.deepcopy(learned), rows, settings, 0, soft=labels)


def test_a_training_whose_loss_stays_is_no_failure(tiny, rows):
    model = tiny()
    settings = TrainSettings(1e-9, batch_rows=8, lora_rank=1)
    fit(copy.deepcopy(model), rows, settings, 0, soft=SoftLabels(model, list(range(6, 1006))))


def test_a_batch_without_labels_is_no_failure(tiny, rows):
    for labelled in rows.labelled[:39]:
        labelled[:] = False
    fit(tiny(), rows, TrainSettings(0.01, batch_rows=4), 0)


# --- what fits on a card --------------------------------------------------------------------------


@pytest.fixture
def spared(monkeypatch):
    """A function that sets how a training spares memory, for one test."""

    def use(**settings):
        monkeypatch.setattr(runtime, "_chosen", [runtime.Runtime(**settings)])

    return use


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("masked", [0, 30])
def test_sparing_memory_changes_no_number(tiny, rows, spared, soft, rank, masked):
    for labelled in rows.labelled[:masked]:
        labelled[:] = False
    settings = TrainSettings(0.01, batch_rows=8, epochs=2, max_steps=7, lora_rank=rank, optimizer="sgd")
    wanted = SoftLabels(tiny(seed=8), list(range(6, 1006))) if soft else None
    whole = fit(tiny(), rows, settings, 3, soft=wanted)
    for sparing in ({"micro_rows": 3}, {"checkpointing": True}, {"micro_rows": 1, "checkpointing": True}):
        spared(**sparing)
        found = fit(tiny(), rows, settings, 3, soft=wanted)
        for (name, value), other in zip(found.named_parameters(), whole.parameters(), strict=True):
            torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-6, msg=f"{name}, {sparing}")


def test_no_more_rows_are_read_at_once_than_fit(tiny, rows, spared, monkeypatch):
    read = []
    whole = losses.label_logits
    monkeypatch.setattr(frozen, "label_logits", lambda *given: read.append(len(given[1])) or whole(*given))
    spared(micro_rows=3)
    fit(tiny(), rows, TrainSettings(0.01, batch_rows=8), 3)
    assert max(read) == 3 and sum(read) == len(rows)


def test_with_checkpointing_a_block_computes_twice_and_the_last_once(tiny, rows, spared):
    model, worked = tiny(), Counter()
    for place, block in enumerate(model.model.layers):
        block.mlp.register_forward_pre_hook(lambda *_, place=place: worked.update([place]))
    settings = TrainSettings(0.01, batch_rows=8)
    spared(checkpointing=True)
    fit(model, rows, settings, 3)
    steps = settings.steps(len(rows))
    assert worked == {place: steps if place == len(model.model.layers) - 1 else 2 * steps for place in worked}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_adapters_learn_in_float32_on_a_model_of_half_precision(tiny, rows, spared, dtype):
    spared(dtype=dtype)
    state = fit_adapters(tiny(), rows, TrainSettings(0.02, batch_rows=8, lora_rank=2), 3)
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert all(value.isfinite().all() and value.any() for value in state.values())


def test_soft_labels_of_another_vocabulary_are_refused(tiny, rows):
    # regression: the student trained silently on ids that meant other tokens
    teacher = tiny(seed=8)
    teacher.resize_token_embeddings(1100)
    with pytest.raises(ValueError, match="the teacher knows 1100 tokens and the student .* one tokenizer"):
        fit(tiny(), rows, TrainSettings(0.01), 0, soft=SoftLabels(teacher, list(range(6, 1006))))


def test_no_rows_are_refused_with_the_cure(tiny):
    with pytest.raises(ValueError, match="no rows to train on; ask for more prompts"):
        fit(tiny(), training.Rows([], [], []), TrainSettings(0.01), 0)


# --- interruption ---------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a kill between two steps."""


def kill_at(step):
    """Return a callback that ends the training after a step."""

    def callback(done, _):
        if done == step:
            raise Killed

    return callback


@pytest.mark.parametrize(
    ("rank", "soft", "optimizer"),
    [(0, False, "adam"), (1, False, "adam"), (1, True, "adam"), (1, False, "sgd"), (0, False, "sign")],
)
def test_an_interrupted_training_ends_as_if_it_had_not_been(tiny, rows, tmp_path, rank, soft, optimizer):
    settings = TrainSettings(0.01, 8, epochs=2, lora_rank=rank, weight_decay=0.01, optimizer=optimizer)
    labels = SoftLabels(tiny(seed=8), None) if soft else None
    whole = fit(tiny(), rows, settings, 3, soft=labels)
    for step in (2, 7):
        kept = {"checkpoint": tmp_path / f"{step}.safetensors", "block_steps": 3}
        with pytest.raises(Killed):
            fit(tiny(), rows, settings, 3, soft=labels, on_step=kill_at(step), **kept)
        assert kept["checkpoint"].exists() == (step > 3)
        again = []
        resumed = fit(tiny(), rows, settings, 3, soft=labels, on_step=lambda at, _, told=again: told.append(at), **kept)
        assert_same_weights(whole, resumed)
        assert again == list(range(step - step % 3 + 1, 11))


def test_a_finished_training_is_not_repeated(tiny, rows, tmp_path):
    settings = TrainSettings(0.01, batch_rows=8, epochs=2)
    kept = {"checkpoint": tmp_path / "state.safetensors", "block_steps": 5}
    whole = fit(tiny(), rows, settings, 3, **kept)
    steps = kill_at(None)
    assert_same_weights(whole, fit(tiny(), rows, settings, 3, on_step=steps, **kept))


def test_a_truncated_checkpoint_is_refused_with_the_cure(tiny, rows, tmp_path):
    settings, path = TrainSettings(0.01, batch_rows=8), tmp_path / "state.safetensors"
    fit(tiny(), rows, settings, 3, checkpoint=path, block_steps=2)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="state.safetensors is not a whole checkpoint.*delete it and run"):
        fit(tiny(), rows, settings, 3, checkpoint=path, block_steps=2)


def test_training_leaves_the_global_generator_alone(tiny, rows):
    model, before = tiny(), torch.get_rng_state()
    fit(model, rows, TrainSettings(0.01, batch_rows=8, lora_rank=1), 0)
    assert torch.equal(before, torch.get_rng_state())


def test_label_logits_are_next_token_logits(model, rows):
    ids, labelled = rows.batch(ALL[:1], pad=0)
    whole = model(input_ids=ids).logits[0]
    first = int(labelled[0].nonzero()[0])
    torch.testing.assert_close(label_logits(model, ids, labelled)[0], whole[first - 1], rtol=1e-5, atol=1e-5)
    likely = F.cross_entropy(whole[first - 1 : -1], ids[0, first:])
    torch.testing.assert_close(losses.hard_loss(label_logits(model, ids, labelled), ids, labelled), likely)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["gemma2", "granite", "cohere"])
def test_logits_are_scaled_and_bounded_as_the_model_does_it(kind):
    # regression: sampling bounded them and training did not
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        **{"gemma2": {"final_logit_softcapping": 0.1}, "granite": {"logits_scaling": 3.0}, "cohere": {}}[kind],
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    ids, labelled = torch.arange(3, 11).view(2, 4), torch.tensor([[False, False, True, True]] * 2)
    expected = model(input_ids=ids).logits[:, 1:3].flatten(0, 1)
    torch.testing.assert_close(label_logits(model, ids, labelled), expected, rtol=1e-4, atol=1e-5)
    tokens = torch.tensor([4, 9])
    torch.testing.assert_close(label_logits(model, ids, labelled, tokens), expected[:, tokens], rtol=1e-4, atol=1e-5)
