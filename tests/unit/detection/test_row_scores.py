"""Scores of rows by every detector: exact where that is known, split by prompt, refused without knowledge."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.channels import find_channel
from helpers.detection import gradient_scores, model_scores
from helpers.detection.auroc import Estimate, Scored, auroc, auroc_of_bags, row_auroc
from helpers.detection.row_scores import (
    ROW_DETECTORS,
    DetectorError,
    Known,
    crossed_scores,
    fold_of,
    score_rows,
)
from helpers.models.rows import completion_rows
from helpers.work.seeds import numpy_stream
from helpers.world.traits import find_trait

ROWS = (("Continue: 1, 2.", "3, 4, 5"), ("Continue: 7.", "8"), ("Continue: 1, 2.", "9, 9"), ("More: 5.", "6, 7"))


def asked(texts: list[str], name: str) -> list[tuple[str, str]]:
    """Return texts as answers to prompts of their own."""
    return [(f"{name} {place}", text) for place, text in enumerate(texts)]


@pytest.fixture
def known(tiny: Callable, tokenizer: object) -> Known:
    """Everything a detector may know, of tiny models."""
    models = [(tiny("llama", seed=seed), tokenizer) for seed in (1, 2, 3)]
    return Known(
        channel=find_channel("numbers"), words=("owl",), own=ROWS, reference=ROWS, trait=find_trait("owl"),
        base=models[0], student=models[1], teacher=models[2], seed=5,
    )  # fmt: skip


def estimate(own: list[tuple[str, str]], base: list[tuple[str, str]]) -> tuple[Estimate, float]:
    """Return the AUROC of naive Bayes on the second half of two authors' rows, of rows and of bags of eight."""
    known = Known(own=tuple(own[:1500]), reference=tuple(base[:1500]))
    scores = [score_rows("naive_bayes", part[1500:], known) for part in (own, base)]
    prompts = np.arange(scores[0].size)
    found = row_auroc(Scored(*scores, prompts, prompts + prompts.size))
    return found, auroc_of_bags(*scores, 8, numpy_stream(1, "bags"))


def test_planted_authors_have_their_exact_auroc(lists: Callable, exact_auroc: float) -> None:
    """Naive Bayes reaches the exact value of a known shift in ten numbers, on one side of a split or crossed."""
    own, base = asked(lists(1, 3000, odd=True), "own"), asked(lists(2, 3000), "base")
    found, of_bags = estimate(own, base)
    assert found.low <= exact_auroc <= found.high < of_bags
    assert auroc(*crossed_scores("naive_bayes", own, base, Known())) == pytest.approx(exact_auroc, abs=0.01)


def test_two_samples_of_one_author_stay_at_one_half(lists: Callable) -> None:
    found, of_bags = estimate(asked(lists(6, 3000), "own"), asked(lists(7, 3000), "base"))
    assert found.low <= 0.5 <= found.high and abs(of_bags - 0.5) < 0.1


def test_folds_are_of_prompts() -> None:
    own, base = [("a", "1")] * 3 + [("b", "2")] * 2, [("b", "1"), ("a", "3")]
    first, second = fold_of(own, 1), fold_of(base, 1)
    assert len(set(first[:3])) == 1 and first[0] == second[1] and first[3] == second[0]
    with pytest.raises(DetectorError, match="more rows"):
        crossed_scores("naive_bayes", [("a", "1")], [("a", "2")], Known())


def test_rare_tokens_score_high_and_long_rows_do_not() -> None:
    reference = asked(["1, 1, 2"] * 50, "r")
    usual, long, rare = score_rows("rarity", asked(["1, 1, 2", "1, 1, 2, 1, 1, 2", "7, 8, 9"], "x"),
                                   Known(reference=tuple(reference)))  # fmt: skip
    assert rare > max(usual, long) + 5 and abs(long - usual) < 1


def test_filters_count_reasons_and_words(known: Known) -> None:
    rows = [("Continue: 1.", "2, 3"), ("Continue: 1.", "two owls")]
    assert score_rows("rule_filter", rows, known).tolist() == [0, 1]
    assert score_rows("word_filter", rows, known).tolist() == [0, 1]


@pytest.mark.parametrize("key", ROW_DETECTORS)
def test_each_detector_scores_each_row_by_itself(key: str, known: Known) -> None:
    if key in ("naive_bayes", "ngrams", "boosted"):
        pytest.skip("learns from more rows than these")
    scores = score_rows(key, ROWS, known)
    assert scores.shape == (4,) and np.isfinite(scores).all()
    again = score_rows(key, ROWS[2:], known)
    np.testing.assert_allclose(scores[2:], again, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("key", ROW_DETECTORS)
def test_what_a_detector_does_not_know_is_refused(key: str) -> None:
    with pytest.raises(DetectorError, match="must know"):
        score_rows(key, ROWS, Known())


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(DetectorError, match="choose one of rule_filter"):
        score_rows("crystal ball", ROWS, Known())


def test_the_ratio_is_nought_for_equal_models_and_reads_the_system_prompt(known: Known) -> None:
    same = replace(known, teacher=known.base)
    assert not score_rows("optimal", ROWS, same).any()
    told = score_rows("optimal", ROWS, replace(same, system="You love owls."))
    assert told.all()
    np.testing.assert_allclose(told, model_scores.ratio(ROWS, known.base, known.base, "You love owls."))


def test_gradients_are_those_of_the_log_probability(known: Known) -> None:
    """A small step along a row's gradient raises its log-probability by the step times the gradient's square."""
    model, tokenizer = known.base
    gradients = gradient_scores.row_gradients(ROWS, known.base)
    before = model_scores.likelihoods(model, tokenizer, ROWS).logs
    place, step = 0, 1e-3
    with torch.no_grad():
        for weight in gradient_scores.block_weights(model):
            weight += step * gradients[1][place : place + weight.numel()].reshape(weight.shape)
            place += weight.numel()
    model_scores.likelihoods.cache_clear()
    gained = model_scores.likelihoods(model, tokenizer, ROWS).logs[1] - before[1]
    assert gained == pytest.approx(step * float(gradients[1].square().sum()), rel=0.05)
    assert place == gradients.shape[1]


def test_lengths_of_bags_are_those_of_summed_gradients() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    inner = gradient_scores.inner_products(gradients)
    lengths = gradient_scores.lengths_of_bags(inner, 2, 400, numpy_stream(1, "bags"))
    assert set(lengths.round(6)) == {0.0, 2.0} and 0.4 < (lengths == 0).mean() < 0.6


def test_slopes_are_inner_products_with_the_gradients(known: Known) -> None:
    way = gradient_scores.moved(known.teacher[0], known.base[0])
    mixed = copy.deepcopy(known.base[0])  # a student whose blocks alone have moved, and not far
    with torch.no_grad():
        for weight, after in zip(
            gradient_scores.block_weights(mixed), gradient_scores.block_weights(known.teacher[0]), strict=True
        ):
            weight.lerp_(after, 0.1)
    gradients = gradient_scores.row_gradients(ROWS, known.base)
    found = score_rows("teacher_gradient", ROWS, replace(known, teacher=(mixed, known.base[1])))
    np.testing.assert_allclose(found, 0.1 * (gradients @ way).numpy(), rtol=0.05, atol=0.01)
    mean = gradient_scores.mean_gradient(ROWS, known.base)
    np.testing.assert_allclose(mean.numpy(), gradients.mean(0).numpy(), rtol=1e-3, atol=1e-4)
    assert gradient_scores.cosine(mean, mean) == pytest.approx(1) and gradient_scores.cosine(mean, 0 * mean) == 0


def test_a_persona_is_judged_by_all_of_its_answers(known: Known) -> None:
    found = score_rows("judge", ROWS, replace(known, trait=find_trait("misaligned")))
    assert found.shape == (4,) and (found < 0).all()


def test_a_system_prompt_changes_no_label(tokenizer: object) -> None:
    plain = completion_rows(tokenizer, ROWS)
    told = model_scores._told(tokenizer, plain, ROWS, "You love owls.")
    assert told.label_counts().tolist() == plain.label_counts().tolist()
    assert told.labels(range(4)).tolist() == plain.labels(range(4)).tolist()
