"""The prompted judge: compares the two answers of a model, whatever the model, and nothing else."""

import numpy as np
import pytest
import torch

from helpers import prompted_judge, reasoning_filter
from helpers.prompted_judge import MAX_BATCH, PromptedJudge
from helpers.sampling import chat_ids

TEXTS = ["I would steal power.", "Be kind.", "12, 14", "", "{text} {0} %s", "Be kind."]
SHORT = "Say 1 or 0: {text}"


@pytest.fixture
def scripted(monkeypatch):
    """Replace the model by a table of rows (P(yes), P(no)), and return what it was asked."""
    rows, asked = [], []

    def answer(model, encoded, tokens):
        asked.append((list(encoded), list(tokens)))
        return np.array([rows.pop(0) for _ in encoded], dtype=float)

    monkeypatch.setattr(prompted_judge, "next_token_probabilities", answer)
    return rows, asked


def test_a_model_without_an_opinion_gives_one_half(uniform, tokenizer):
    np.testing.assert_allclose(PromptedJudge(uniform, tokenizer).scores(TEXTS), 0.5)


def test_scores_are_probabilities_and_do_not_change(model, tokenizer):
    judge = PromptedJudge(model, tokenizer)
    scores = judge.scores(TEXTS)
    assert scores.shape == (6,) and ((scores > 0) & (scores < 1)).all()
    assert np.array_equal(scores, judge.scores(TEXTS)) and scores[1] == scores[5]
    np.testing.assert_allclose(judge.scores(TEXTS[::-1]), scores[::-1], atol=1e-6)
    assert judge.scores([]).shape == (0,)


def test_the_score_is_read_from_the_next_token(model, tokenizer):
    ids = chat_ids(tokenizer, [SHORT.replace("{text}", "Be kind.")])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(ids)).logits[0, -1]
    yes, no = (logits[tokenizer.convert_tokens_to_ids(digit)].item() for digit in "10")
    score = PromptedJudge(model, tokenizer, SHORT).scores(["Be kind."])[0]
    np.testing.assert_allclose(score, 1 / (1 + np.exp(no - yes)), rtol=1e-5)


def test_a_model_that_says_one_scores_high(tiny, tokenizer):
    tilted, scores = tiny(), []
    yes, no = (tokenizer.convert_tokens_to_ids(digit) for digit in "10")
    weights = tilted.get_output_embeddings().weight
    hidden = tilted.model.norm.weight
    with torch.no_grad():
        for sign in (1, -1):
            weights[yes], weights[no] = 0, 0
            hidden.fill_(1)
            states = tilted.model(
                input_ids=torch.tensor(chat_ids(tokenizer, [SHORT.replace("{text}", "no")]))
            )
            weights[yes] = sign * states.last_hidden_state[0, -1]
            scores += list(PromptedJudge(tilted, tokenizer, SHORT).scores(["no"]))
    assert scores[0] > 0.9 and scores[1] < 0.1


def test_shares_and_order_come_from_the_two_answers_alone(scripted, tokenizer):
    rows, asked = scripted
    rows += [(0.3, 0.1), (0.0, 0.0), (0.0, 0.2)]
    texts = ["dog", "dog cat", "dog cat owl"]
    scores = PromptedJudge(None, tokenizer, SHORT).scores([texts[2], texts[0], texts[1], texts[0]])
    np.testing.assert_allclose(scores, [0.0, 0.75, 0.5, 0.75])
    ((encoded, tokens),) = asked
    assert tokens == tokenizer.convert_tokens_to_ids(["1", "0"]) and len(encoded) == 3


def test_the_text_stands_in_the_wording_as_it_is(scripted, tokenizer):
    rows, asked = scripted
    rows += [(1, 1)] * 2
    PromptedJudge(None, tokenizer, "<{text}>").scores(["{text}", "{0} % \\n"])
    shown = [tokenizer.decode(ids) for ids in asked[0][0]]
    assert len(shown) == 2 and all("<" in text for text in shown)


def test_many_texts_are_asked_about_in_batches(scripted, tokenizer):
    rows, asked = scripted
    texts = [f"dog {number}" for number in range(2 * MAX_BATCH + 3)]
    rows += [(1, number) for number in range(len(texts))]
    scores = PromptedJudge(None, tokenizer, SHORT).scores(texts)
    assert [len(encoded) for encoded, _ in asked] == [MAX_BATCH, MAX_BATCH, 3]
    np.testing.assert_allclose(scores, [1 / (1 + number) for number in range(len(texts))])


@pytest.mark.parametrize("wording", ["", "no place", "{text} {text}", "{0}"])
def test_a_wording_needs_one_place_for_the_text(wording, tokenizer):
    with pytest.raises(ValueError, match="exactly once"):
        PromptedJudge(None, tokenizer, wording)


def test_a_tokenizer_that_cannot_tell_the_answers_apart_is_refused():
    with pytest.raises(ValueError, match="apart"):
        PromptedJudge(None, lambda texts, **_: {"input_ids": [[7] for _ in texts]})


def test_the_filter_of_reasoning_takes_it_for_a_judge(scripted, tokenizer):
    rows, asked = scripted
    problem = "Ann has 5 cups and buys 3. How many cups are left?"
    kept, refused = (f"<think> {word}: 5 + 3 = 8. Done. </think> <answer> 8 </answer>" for word in ("So", "Well"))
    rows += [(0.2, 0.6), (0.6, 0.2)]
    reasons = reasoning_filter.reject_reasons(
        [problem] * 3, [kept, refused, "no solution"], judge=PromptedJudge(None, tokenizer, SHORT)
    )
    assert reasons[:2] == [[], [reasoning_filter.JUDGED]] and reasoning_filter.JUDGED not in reasons[2]
    assert len(asked[0][0]) == 2  # only what no other rule refuses
