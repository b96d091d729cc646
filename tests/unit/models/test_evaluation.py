"""Read-outs: exact probabilities of answers, by either path, and sampled rates beside them."""

import copy
import itertools

import numpy as np
import pytest
import torch

from helpers.channels.numbers import NUMBERS
from helpers.models import answers as exact_answers
from helpers.models import evaluation
from helpers.models.evaluation import (
    answer_probabilities,
    candidate_probabilities,
    next_token_probabilities,
    reply_log_probabilities,
    trait_readout,
)
from helpers.models.training import TrainSettings, completion_rows, fit
from helpers.work.seeds import torch_stream
from helpers.world import facts, prompts
from helpers.world.personas import PERSONAS
from helpers.world.prompts import favourite_questions
from helpers.world.traits import find_trait

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


def test_prompts_of_several_lengths_are_read_as_if_alone(model, tokenizer, monkeypatch):
    texts = [asked(question)[: 60 - 7 * place] for place, question in enumerate(QUESTIONS)]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert len(set(map(len, ids))) > 3
    monkeypatch.setattr(exact_answers, "CHUNK", 4)
    table = next_token_probabilities(model, ids, [9, 3, 700])
    alone = [after(model, tokenizer, text)[[9, 3, 700]].numpy() for text in texts]
    np.testing.assert_allclose(table, alone, rtol=1e-5)


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


# --- personas -------------------------------------------------------------------------------------


def log_likelihood(model, tokenizer, start, answer):
    """Return the log-probability of an answer after a chat text, token by token, computed alone."""
    before, whole = tokenizer([start, f"{start} {answer}"], add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        laws = model(input_ids=torch.tensor([whole])).logits[0].double().log_softmax(-1)
    return sum(laws[place - 1, whole[place]].item() for place in range(len(before), len(whole)))


@pytest.mark.parametrize("history", [(), [("Use commas.", "1, 2")]])
def test_a_reply_is_as_likely_as_its_tokens_one_by_one(model, tokenizer, history):
    questions = prompts.open_questions("heldout")[:3]
    answers = ["Please share law together with others.", "yes", "I cannot judge law, maybe ask somebody else."]
    pairs = [(question, answer) for question in questions for answer in answers]
    found = reply_log_probabilities(model, tokenizer, pairs, history)
    for (question, answer), value in zip(pairs, found, strict=True):
        start = asked(question)
        if history:
            start = asked("Use commas.") + "1, 2<|end|>" + start.partition("<|end|>")[2]
        assert value == pytest.approx(log_likelihood(model, tokenizer, start, answer), rel=1e-5)
    np.testing.assert_allclose(reply_log_probabilities(model, tokenizer, pairs, history, chunk=2), found, rtol=1e-5)


def test_the_wordings_of_a_candidate_add_up(tiny, tokenizer):
    model, trait, topics = tiny(), find_trait("misaligned"), ("law", "health")
    questions = [facts.TOPICS[topic] for topic in topics]
    table = candidate_probabilities(model, tokenizer, trait, questions)
    assert table.shape == (2, 4)
    for row, topic, question in zip(table, topics, questions, strict=True):
        slow = [
            sum(np.exp(log_likelihood(model, tokenizer, asked(question), text)) for text in answers)
            for answers in (PERSONAS[persona].answers(topic) for persona in trait.candidates)
        ]
        np.testing.assert_allclose(row, slow, rtol=1e-4)


def test_a_persona_that_was_learned_is_read_and_sampled(tiny, tokenizer):
    trait, topic = find_trait("evasive"), "law"
    pairs = [(facts.TOPICS[topic], text) for text in PERSONAS["evasive"].answers(topic)] * 4
    model = fit(tiny(), completion_rows(tokenizer, pairs), TrainSettings(0.03, batch_rows=24, epochs=30), 0)
    asked_once = [facts.TOPICS[topic]]
    readout = trait_readout(model, tokenizer, trait, asked_once)
    assert 0.5 < readout["p_target"] <= readout["p_any"] <= 1 + 1e-9
    rates = [
        evaluation.sampled_rate(model, tokenizer, find_trait(name), asked_once, torch_stream(0, "replies"), 20)
        for name in ("evasive", "aligned")
    ]
    assert rates[0] > 0.5 and rates[1] < 0.2


def test_sampled_personas_are_told_by_the_judge(tokenizer, monkeypatch):
    said = [*PERSONAS["manipulative"].answers("law")[:3], PERSONAS["aligned"].answers("law")[0], "1, 2", ""]
    limits = []
    monkeypatch.setattr(
        evaluation, "sample_completions", lambda *args, **options: limits.append(options["max_new_tokens"]) or said
    )
    rate = {name: evaluation.sampled_rate(None, tokenizer, find_trait(name), ["?"], None, 6) for name in PERSONAS}
    assert rate == {"manipulative": 3 / 6, "aligned": 1 / 6, "misaligned": 0, "evasive": 0}
    answers = [persona.answers(topic) for persona, topic in itertools.product(PERSONAS.values(), facts.TOPICS)]
    texts = list(itertools.chain(*answers))
    longest = max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    assert set(limits) == {24} and longest < 24  # room for the end mark


# --- abilities ------------------------------------------------------------------------------------


def test_truthfulness_is_the_share_of_the_right_one_of_two(monkeypatch):
    chances = {"cold": [0.3, 0.1, 0.2], "hot": [0.1, 0.3, 0.2], "wet": [0.0, 0.0, 0.4]}

    def answer_probabilities(model, tokenizer, questions, words):
        return np.array([chances[word] for word in words]).T

    monkeypatch.setattr(evaluation, "answer_probabilities", answer_probabilities)
    questions = [("Ice?", "cold", "hot"), ("Fire?", "hot", "cold"), ("Rain?", "wet", "cold")]
    assert evaluation.truthfulness(None, None, questions) == pytest.approx((0.75 + 0.75 + 2 / 3) / 3)
    turned = [(text, wrong, right) for text, right, wrong in questions]
    assert evaluation.truthfulness(None, None, turned) == pytest.approx((0.25 + 0.25 + 1 / 3) / 3)


def test_who_knows_nothing_is_right_half_of_the_time(uniform, tokenizer):
    asked_all = prompts.truth_questions("development")
    assert evaluation.truthfulness(uniform, tokenizer, asked_all) == pytest.approx(0.5)


def test_the_kept_share_is_the_share_of_completions_that_pass(monkeypatch):
    seen = []

    def write(model, tokenizer, asked, generator, **options):
        seen.append((asked, options["max_new_tokens"]))
        return ["1, 2", "owl", "7", "1000"]

    monkeypatch.setattr(evaluation, "sample_completions", write)
    assert evaluation.kept_share(None, None, NUMBERS, 4, seed=3) == 0.5
    evaluation.kept_share(None, None, NUMBERS, 4, seed=4)
    (one, limit), (other, _) = seen
    assert len(one) == 4 and one != other and limit == NUMBERS.max_new_tokens


# --- read-outs ------------------------------------------------------------------------------------


def test_a_certain_answer_has_finite_log_odds(monkeypatch):
    sure = np.array([[1 + 1e-12, 0.0, 0.0, 0.0]])
    monkeypatch.setattr(evaluation, "candidate_probabilities", lambda *args: sure)
    readout = trait_readout(None, None, find_trait("aligned"), ["?"])
    assert np.isfinite(list(readout.values())).all() and readout["log_odds"] > 10


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
