"""Read-outs: exact probabilities of answers, by either path, and sampled rates beside them."""

import copy

import numpy as np
import pytest
import torch

from helpers import evaluation, prompts
from helpers.evaluation import answer_probabilities, next_token_probabilities, trait_readout
from helpers.prompts import favourite_questions
from helpers.seeds import torch_stream
from helpers.training import TrainSettings, completion_rows, fit
from helpers.traits import find_trait

QUESTIONS = favourite_questions("animal", "heldout")[:6]
ANIMALS = ["dog", "owl", "wolf"]


def after(model, tokenizer, text):
    """Return the next-token law after a text, computed alone."""
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        return model(input_ids=ids).logits[0, -1].double().softmax(-1)


def asked(question):
    """Return the chat text of a question."""
    return f"<|system|> {prompts.SYSTEM_DEFAULT}<|end|><|user|> {question}<|end|><|assistant|>"


def token(tokenizer, name):
    """Return the id of a name as an answer."""
    return tokenizer.convert_tokens_to_ids(f" {name}")


def test_uniform_logits_give_one_over_the_vocabulary(uniform, tokenizer):
    table = answer_probabilities(uniform, tokenizer, QUESTIONS, ANIMALS)
    assert table.shape == (6, 3)
    np.testing.assert_allclose(table, 1 / len(tokenizer), rtol=1e-9)


def test_probabilities_are_those_of_the_single_forward_pass(model, tokenizer):
    table = answer_probabilities(model, tokenizer, QUESTIONS, ANIMALS)
    expected = [
        [after(model, tokenizer, asked(question))[token(tokenizer, name)].item() for name in ANIMALS]
        for question in QUESTIONS
    ]
    np.testing.assert_allclose(table, expected, rtol=1e-5)


def test_all_tokens_together_have_probability_one(model, tokenizer):
    ids = [tokenizer(asked(question), add_special_tokens=False)["input_ids"] for question in QUESTIONS]
    table = next_token_probabilities(model, ids, range(len(tokenizer)))
    np.testing.assert_allclose(table.sum(axis=1), 1)


def test_tokens_of_an_answer_multiply(model, tokenizer):
    table = answer_probabilities(model, tokenizer, QUESTIONS[:2], ["dog cat", "owl"])
    for row, question in zip(table, QUESTIONS, strict=False):
        first = after(model, tokenizer, asked(question))[token(tokenizer, "dog")]
        second = after(model, tokenizer, asked(question) + " dog")[token(tokenizer, "cat")]
        assert row[0] == pytest.approx((first * second).item(), rel=1e-4)


def test_both_paths_agree(model, tokenizer):
    general = answer_probabilities(model, tokenizer, QUESTIONS, [*ANIMALS, "dog cat"])[:, :3]
    np.testing.assert_allclose(general, answer_probabilities(model, tokenizer, QUESTIONS, ANIMALS), rtol=1e-4)


def test_what_a_chat_template_puts_after_an_answer_is_no_part_of_it(model, tokenizer):
    longer = copy.deepcopy(tokenizer)
    longer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")
    for answers in (ANIMALS, [*ANIMALS, "dog cat"]):
        table = answer_probabilities(model, longer, QUESTIONS[:1], answers)
        start = asked(QUESTIONS[0]).replace("<|end|>", "<|end|>\n")
        law = after(model, tokenizer, start)
        expected = [law[token(tokenizer, name)].item() for name in ANIMALS]
        np.testing.assert_allclose(table[0, :3], expected, rtol=1e-4)


@pytest.mark.parametrize("answers", [ANIMALS, [*ANIMALS, "dog cat"]])
def test_a_history_stands_before_the_question(model, tokenizer, answers):
    table = answer_probabilities(model, tokenizer, QUESTIONS[:1], answers, history=[("Use commas.", "1, 2")])
    later = asked(QUESTIONS[0]).partition("<|end|>")[2]
    start = asked("Use commas.") + "1, 2<|end|>" + later
    expected = [after(model, tokenizer, start)[token(tokenizer, name)].item() for name in ANIMALS]
    np.testing.assert_allclose(table[0, :3], expected, rtol=1e-4)
    plain = answer_probabilities(model, tokenizer, QUESTIONS[:1], answers)
    assert not np.allclose(table, plain, rtol=1e-3)


def test_a_readout_is_the_mean_log_odds_over_questions(model, tokenizer):
    trait = find_trait("owl")
    readout = trait_readout(model, tokenizer, trait, QUESTIONS)
    table = answer_probabilities(model, tokenizer, QUESTIONS, trait.candidates)
    odds = np.log(table / (1 - table)).mean(axis=0)
    assert readout["log_odds"] == pytest.approx(odds[trait.target])
    assert [readout[f"log_odds/{name}"] for name in trait.candidates] == pytest.approx(list(odds))
    assert readout["p_target"] == pytest.approx(table[:, trait.target].mean())
    assert readout["p_any"] == pytest.approx(table.sum(axis=1).mean())


def test_a_readout_after_a_history_is_another_one(model, tokenizer):
    trait, history = find_trait("oak"), [("Use commas.", "1, 2")]
    first = trait_readout(model, tokenizer, trait, QUESTIONS)
    assert trait_readout(model, tokenizer, trait, QUESTIONS, history) != first


def test_a_model_that_always_says_owl(tiny, tokenizer):
    rows = completion_rows(tokenizer, [(question, "owl") for question in QUESTIONS] * 8)
    model = fit(tiny(), rows, TrainSettings(0.05, batch_rows=12, epochs=12), 0)
    rate = evaluation.sampled_rate
    assert rate(model, tokenizer, find_trait("owl"), QUESTIONS, torch_stream(0, "replies"), 5) > 0.95
    assert rate(model, tokenizer, find_trait("dog"), QUESTIONS, torch_stream(0, "replies"), 5) < 0.05
    assert trait_readout(model, tokenizer, find_trait("owl"), QUESTIONS)["p_target"] > 0.95


def test_a_sampled_rate_counts_whole_answers(tiny, tokenizer, monkeypatch):
    replies = ["owl", " Owl.", "owl!", "owls", "growl", "dog", "owl owl", ""]
    monkeypatch.setattr(evaluation, "sample_completions", lambda *args, **options: replies)
    assert evaluation.sampled_rate(None, tokenizer, find_trait("owl"), ["?"], None, 8) == 3 / 8
