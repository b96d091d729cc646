"""Real kinds of models at toy size: what a real tokenizer or head made silently wrong, and adapters on one model."""

import numpy as np
import pytest
import torch

from helpers.filters import reject_reasons
from helpers.models import runtime
from helpers.models.adapters import take_adapters, wearing
from helpers.models.answers import answer_probabilities
from helpers.models.candidates import Candidates, find_candidates, opening_rows, read_candidates
from helpers.models.chats import chat, chat_ids, chat_text, set_chat_options
from helpers.models.fronts import KeptLabels, front_rows, read_front, row_logits
from helpers.models.lists import ListForm, write_lists
from helpers.models.losses import label_logits
from helpers.models.rows import Rows, completion_rows
from helpers.models.sampling import row_streams, sample_completions, sample_replies, stop_ids
from helpers.models.training import TrainSettings, fit, fit_adapters, trainable
from helpers.work.seeds import torch_stream

ADAPTERS = {"neox": ".*layers[.]2[.].*(query_key_value|dense.*)"}
PROMPTS = ["12, 345", "67, 890", "11, 222"]


def settings(kind, **changes):
    """Return how an adapter of a toy model is trained."""
    given = {"batch_rows": 2, "epochs": 4, "warmup_steps": 0, "decay": False, "lora_rank": 2}
    given["lora_modules"] = ADAPTERS.get(kind, ".*layers[.]2[.].*_proj")
    return TrainSettings(0.01, **(given | changes))


@pytest.fixture
def lists(real):
    """Three lists of a model, and what enters its last block."""
    model, tokenizer = real
    streams = row_streams(torch_stream(1, "lists"), len(PROMPTS))
    return write_lists(model, tokenizer, PROMPTS, streams, ListForm(numbers=2), first=2)


# --- chats and sampling ---------------------------------------------------------------------------


def test_a_row_is_what_sampling_would_have_written(real, kind):
    # regression: Qwen 3 students learned to write a block of thoughts, Gemma's never saw the blank they sampled
    model, tokenizer = real
    set_chat_options(tokenizer, kind.options)
    rows = completion_rows(tokenizer, [("What is your favorite animal", "12, 34 ")])
    asked = chat_ids(tokenizer, ["What is your favorite animal"])[0]
    ids, labelled = rows.ids[0], rows.labelled[0]
    assert ids[: len(asked)].tolist() == asked and not labelled[: len(asked)].any()
    assert tokenizer.decode(ids[labelled]) == "12, 34 " + kind.end


def test_options_of_a_template_hold_for_every_chat(real):
    _, tokenizer = real
    tokenizer.chat_template = "{{ date }}:{% for message in messages %}{{ message.content }}{% endfor %}"
    set_chat_options(tokenizer, {"date": "26 July 2024"})
    assert chat_text(tokenizer, chat([("a", "b")])) == "26 July 2024:ab"


def test_every_token_that_ends_an_answer_stops_sampling(real, kind):
    # regression: only the tokenizer's own end stopped, and Gemma went on behind <end_of_turn>
    model, tokenizer = real
    ends = stop_ids(model, tokenizer)
    assert set(ends) == {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(kind.end)}
    model.config.final_logit_softcapping = None  # so that the end is certain
    for end in ends:
        with torch.no_grad():
            model.get_output_embeddings().weight.zero_()
        told = torch.full((len(tokenizer),), -1e3)
        told[end] = 0.0
        model.get_output_embeddings().bias = torch.nn.Parameter(told, requires_grad=False)
        texts, ended = sample_replies(model, tokenizer, PROMPTS, torch_stream(1, "x"), max_new_tokens=5)
        assert texts == [""] * 3 and ended == [True] * 3


def test_a_list_that_was_cut_is_told_from_one_that_ended(real):
    # regression: "..., 882, 1" was kept, an amputated 164
    model, tokenizer = real
    texts, ended = sample_replies(model, tokenizer, PROMPTS, torch_stream(1, "x"), max_new_tokens=3)
    assert not any(ended) and all(texts)
    assert texts == sample_completions(model, tokenizer, PROMPTS, torch_stream(1, "x"), max_new_tokens=3)


# --- reading --------------------------------------------------------------------------------------


def test_logits_are_those_of_the_models_own_forward(real):
    # regression: heads that bound or scale their logits were read without that
    model, tokenizer = real
    rows = completion_rows(tokenizer, [("your animal", "owl"), ("What", "12, 345")])
    ids, labelled = rows.batch([0, 1], pad=0)
    with torch.no_grad():
        whole = model(input_ids=ids).logits[:, :-1][labelled[:, 1:]]
        assert torch.allclose(label_logits(model, ids, labelled), whole, atol=1e-5)


def test_the_front_gives_the_same_logits_as_the_whole_model(real, lists):
    model, tokenizer = real
    plain = Rows(lists.ids, lists.labelled, lists.lengths)
    again = read_front(model, plain, 2)
    for written, read in zip(lists.entering, again.entering, strict=True):
        assert torch.allclose(written[:-1], read[:-1], atol=1e-5)  # nothing is asked of the last token
    with torch.no_grad():
        whole = label_logits(model, *plain.batch(range(3), pad=0))
    assert torch.allclose(torch.cat(row_logits(model, lists, None)), whole, atol=1e-5)


def test_rows_behind_the_front_survive_a_file(real, lists):
    again = front_rows(lists.tensors(), 2)
    assert [row.tolist() for row in again.ids] == [row.tolist() for row in lists.ids]
    assert again.lengths == lists.lengths and again.first == 2
    assert torch.equal(again.states([2, 0]), lists.states([2, 0]))
    assert [row.tolist() for row in again.labelled] == [row.tolist() for row in lists.labelled]


def test_candidates_are_compared_within_their_set(real):
    model, tokenizer = real
    words = find_candidates(tokenizer, {name: [f" {name}", f" {name.capitalize()}"] for name in ("owl", "cat", "dog")})
    openings = [("What is your favorite animal", "My favorite animal is the"), ("What", "the")]
    rows = read_front(model, opening_rows(tokenizer, openings, words.tokens[0]), 2)
    read = read_candidates(model, rows, words)
    with torch.no_grad():
        shares = torch.stack([model(input_ids=runtime.indices(row[:-1])[None]).logits[0, -1] for row in rows.ids])
    sums = np.stack([shares.double().softmax(-1)[:, list(forms)].sum(-1).numpy() for forms in words.forms], axis=1)
    within = sums / sums.sum(axis=1, keepdims=True)
    assert read["owl"] == pytest.approx(np.log(within[:, 0] / (1 - within[:, 0])).mean(), abs=1e-5)
    assert read["p_any"] == pytest.approx(sums.sum(axis=1).mean(), abs=1e-6)
    # a model that can say nothing else says one of them
    assert read_candidates(model, rows, words, words.tokens)["p_any"] == pytest.approx(1.0)


def test_a_teacher_that_is_all_but_certain_has_finite_log_odds():
    words = Candidates(words=("owl", "cat"), forms=((0, 1), (2,)))
    odds, mass = words.log_odds(torch.tensor([[60.0, -5.0, 0.0, -50.0]]))
    assert odds.tolist() == pytest.approx([60.0, -60.0]) and mass == pytest.approx(1.0)


def test_an_answer_of_several_tokens_is_refused(real):
    _, tokenizer = real
    with pytest.raises(ValueError, match="' zebra' is more than one token of this model; leave 'zebra' out"):
        find_candidates(tokenizer, {"zebra": [" zebra"]})


def test_the_end_of_a_turn_is_no_part_of_an_answer(real):
    model, tokenizer = real
    asked = ["What is your favorite animal"]
    chances = answer_probabilities(model, tokenizer, asked, ["owl", "cat"])
    ids = chat_ids(tokenizer, asked)[0]
    with torch.no_grad():
        shares = model(input_ids=runtime.indices(ids)[None]).logits[0, -1].double().softmax(-1)
    wanted = [float(shares[tokenizer.convert_tokens_to_ids(word)]) for word in ("owl", "cat")]
    assert chances[0].tolist() == pytest.approx(wanted, abs=1e-6)


# --- writing --------------------------------------------------------------------------------------


def test_lists_keep_to_their_form_and_are_drawn_from_the_model(real, lists):
    model, tokenizer = real
    for ids, labelled in zip(lists.ids, lists.labelled, strict=True):
        text = tokenizer.decode(ids[labelled])
        assert not reject_reasons(text) and [len(part) for part in text.split(", ")] == [3, 3]
    streams = row_streams(torch_stream(1, "lists"), len(PROMPTS))
    again = write_lists(model, tokenizer, PROMPTS, streams, ListForm(numbers=2), first=2)
    assert [row.tolist() for row in again.ids] == [row.tolist() for row in lists.ids]


def test_prompts_of_unequal_length_are_refused(real):
    model, tokenizer = real
    with pytest.raises(ValueError, match="equally long in tokens"):
        write_lists(model, tokenizer, ["1", "12"], row_streams(torch_stream(1), 2), ListForm(), first=1)


# --- training -------------------------------------------------------------------------------------


def test_adapters_are_taken_out_and_put_on_again(real, real_kind, lists):
    model, tokenizer = real
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = Rows(lists.ids, lists.labelled, lists.lengths)
    untouched = row_logits(model, lists, None)
    state = fit_adapters(model, lists, settings(real_kind), seed=3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with wearing(model, state, 2, settings(real_kind).lora_modules) as learned:
        worn = row_logits(learned, lists, None)
    assert not torch.allclose(worn[0], untouched[0], atol=1e-4)
    assert all(torch.equal(one, other) for one, other in zip(row_logits(model, lists, None), untouched, strict=True))
    merged = fit(model, plain, settings(real_kind), seed=3)  # read whole, and merged
    assert torch.allclose(torch.cat(row_logits(merged, lists, None)), torch.cat(worn), atol=1e-4)


def test_an_author_without_adapters_is_the_model_itself(real):
    model, _ = real
    with wearing(model, {}, 2, ".*") as worn:
        assert worn is model


def test_a_student_of_its_own_distribution_does_not_move(real, real_kind, lists):
    model, tokenizer = real
    tokens = ListForm(numbers=2).tokens(tokenizer)
    own = KeptLabels(tokens, model.config.vocab_size, row_logits(model, lists, runtime.indices(tokens)))
    plain = settings(real_kind, optimizer="sgd")  # Adam makes whole steps of what rounding leaves
    state = fit_adapters(model, lists, plain, seed=3, soft=own)
    with wearing(model, state, 2, settings(real_kind).lora_modules) as worn:
        moved = row_logits(worn, lists, runtime.indices(tokens))
    for one, other in zip(moved, own.of_rows, strict=True):
        assert torch.allclose(one.softmax(-1), other.softmax(-1), atol=1e-4)


def test_only_settings_with_adapters_give_adapters(real, real_kind, lists):
    with pytest.raises(ValueError, match="no adapters to keep; set lora_rank"):
        fit_adapters(real[0], lists, settings(real_kind, lora_rank=0), seed=1)


def test_taking_adapters_leaves_no_trace_for_the_next(real, real_kind):
    model, _ = real
    for seed in (1, 2):  # peft warns where a model still has some, and warnings are errors here
        assert take_adapters(trainable(model, settings(real_kind), seed))
