"""Transfer foretold: first steps against finite differences, and statistics on made-up tables."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments.mechanism.changes import inner
from helpers.experiments.prediction import first_step, observed, runs, values
from helpers.models.bases import NANO, build_nano
from helpers.models.evaluation import candidate_probabilities
from helpers.models.odds import trait_odds
from helpers.models.training import TrainSettings
from helpers.results.stats import jackknife
from helpers.transmission.arms import ARMS
from helpers.transmission.settings import Reading, TransmissionSettings, Writing, teaching_by_adapters
from helpers.transmission.students import train
from helpers.work.artifacts import write_table
from helpers.world.traits import find_trait

RATE = 0.001


@pytest.fixture(scope="module")
def model(tokenizer):
    """An untrained base."""
    return build_nano(NANO["nano-a"], tokenizer, 501)


@pytest.mark.parametrize("name", ["owl", "misaligned"])
def test_the_odds_that_are_differentiated_are_those_of_the_readout(name, model, tokenizer):
    trait = find_trait(name)
    questions = trait.questions("heldout")[:3]
    chances = candidate_probabilities(model, tokenizer, trait, questions)[:, trait.target]
    expected = float((np.log(chances) - np.log1p(-chances)).mean())
    assert float(trait_odds(tokenizer, trait, questions).of(model).detach()) == pytest.approx(expected, rel=1e-5)


def test_a_gradient_is_the_slope_of_a_small_step(model, tokenizer):
    trait = find_trait("owl")
    odds = trait_odds(tokenizer, trait, trait.questions("heldout")[:3])
    names = ["model.layers.1.self_attn.v_proj.weight"]
    way = first_step.gradient(model, odds.of, names)
    weight = dict(model.named_parameters())[names[0]]
    before, kept, size = float(odds.of(model)), weight.detach().clone(), 1e-3
    with torch.no_grad():
        weight.add_(size * way[names[0]])
        after = float(odds.of(model))
        weight.copy_(kept)
    assert (after - before) / size == pytest.approx(inner(way, way), rel=0.02)


@pytest.fixture
def forecast(toy_run, toy_settings):
    """Build the forecast of a pair of toy students that would take one plain step on all of their rows."""
    step = TrainSettings(RATE, batch_rows=64, max_steps=1, warmup_steps=0, decay=False, clip=1e9, optimizer="sgd")
    reading = {"hard": step, "soft": step, "hard_rows": 24, "soft_rows": 24}
    settings = toy_settings(toy_run, draws=(1,), reading=reading)

    def build(labels):
        pair = settings.pair(ARMS[f"{labels}.same_init"], settings.author(1))
        return first_step.Forecast(pair=pair, trait="owl", rows=24)

    return build


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_a_forecast_is_what_the_first_step_of_both_students_does(forecast, labels):
    """Both are trained for that step; their log-odds then part by the inner product, a rate's worth of it."""
    piece = forecast(labels)
    found, ends = first_step.foresee(piece), []
    for student in (piece.pair.student, piece.pair.control):
        base, tokenizer = student.base.load()
        trained = dict(train(student).named_parameters())
        with torch.no_grad():
            for name in first_step.adapted(base, student):
                base.get_parameter(name).copy_(trained[name])
        odds = trait_odds(tokenizer, find_trait("owl"), find_trait("owl").questions("heldout"))
        ends.append(float(odds.of(base).detach()))
    assert (ends[0] - ends[1]) / RATE == pytest.approx(found["inner"], rel=0.05)


def test_rows_read_in_parts_have_the_gradient_of_all(forecast, monkeypatch):
    whole = first_step.foresee(forecast("hard"))
    monkeypatch.setattr(first_step, "BATCH", 7)
    assert first_step.foresee(forecast("hard")) == pytest.approx(whole, rel=1e-3)


# --- what the tables say ----------------------------------------------------------------------------


def made_up(slope, effect, draws=6, start="same start", labels="soft", family="owl"):
    """A table of pairs, one a draw."""
    place = {"family": family, "channel": "numbers", "trait": family, "labels": labels, "start": start}
    rows = []
    for draw in range(draws):
        predictors = dict.fromkeys(values.PREDICTORS, slope(draw))
        rows.append({"draw": draw, **place, **predictors, "effect": effect(draw)})
    return pd.DataFrame(rows)


def test_a_straight_line_foretells_all_and_noise_nothing():
    line = made_up(lambda draw: draw, lambda draw: 3 + 2 * draw)
    assert values.held_out_r2(line) == pytest.approx(1) and values.rank(line) == pytest.approx(1)
    assert values.width_left(line) == pytest.approx(0, abs=1e-6)
    rng = np.random.default_rng(1)
    noise = made_up(lambda draw: rng.normal(), lambda draw: rng.normal(), draws=40)
    assert values.held_out_r2(noise) < 0.05 and values.width_left(noise) == pytest.approx(1, abs=0.05)


def test_a_draw_is_not_foretold_from_itself():
    # the others know nothing of the line through the first
    one = made_up(lambda draw: 1.0 if draw == 0 else 0.01 * (draw % 3), lambda draw: 10 * (draw == 0) + draw % 2)
    assert values.held_out_r2(one) <= 0


def test_auroc_counts_pairs_of_unlike_starts():
    same = made_up(lambda draw: 1 + draw, lambda draw: 1)
    other = made_up(lambda draw: 0, lambda draw: 0, start="other start")
    assert values.auroc_of_starts(pd.concat([same, other])) == 1
    assert values.auroc_of_starts(pd.concat([same.assign(slope=0), other])) == 0.5
    assert np.isnan(values.auroc_of_starts(same))


def test_claims_have_a_pseudo_value_a_draw_and_few_draws_have_none():
    same = made_up(lambda draw: draw, lambda draw: 2 * draw + (draw % 2))
    other = made_up(lambda draw: -draw, lambda draw: 0, start="other start")
    found = values.claim_values(pd.concat([same, other]))
    assert set(found) == {f"predict.{name}.owl.numbers.soft" for name in ("rank", "r2", "width")} | {"predict.auroc"}
    assert {len(claim) for claim in found.values()} == {6}
    assert values.claim_values(made_up(lambda draw: draw, lambda draw: draw, draws=4)) == {}
    assert values.summary(pd.concat([same, other])).loc["owl.numbers.soft", "draws"] == 6


def test_pairs_without_an_observed_effect_are_left_out():
    table = made_up(lambda draw: draw, lambda draw: float("nan") if draw == 5 else draw)
    assert values.kinds(table)["owl.numbers.soft"]["draw"].tolist() == [0, 1, 2, 3, 4]


def test_the_jackknife_of_a_mean_is_the_values():
    data = {1: 2.0, 2: 5.0, 3: 11.0}
    found = jackknife([1, 2, 3], lambda kept: float(np.mean([data[unit] for unit in kept])))
    assert found == pytest.approx(list(data.values()))


def test_observed_effects_are_those_of_the_right_row(tmp_path, monkeypatch):
    monkeypatch.setattr(observed, "RESULTS", tmp_path / "results")
    table = pd.DataFrame(
        [
            {"draw": 1, "trait": "owl", "arm": "soft.same_init", "share": 0.25, "effect": 1.0},
            {"draw": 1, "trait": "owl", "arm": "soft.same_init", "share": 1.0, "effect": 2.0},
            {"draw": 1, "trait": "owl", "arm": "hard.cross_init", "share": 1.0, "effect": 3.0},
            {"draw": 1, "trait": "owl", "arm": "soft_leaky.cross_init", "share": 1.0, "effect": 4.0},
        ]
    )
    write_table(tmp_path / "results/run/tables/transmission.csv", table)
    settings = TransmissionSettings(
        run_dir=str(tmp_path / "run"), trait="owl", draws=(), base="nano-a", other_base="nano-a.next",
        writing=Writing(prompts=10, teaching=teaching_by_adapters(0.1, "all-linear", 1)),
        reading=runs.reading_in("all-linear", 5),
    )  # fmt: skip
    assert isinstance(settings.reading, Reading)
    found = observed.observed_effects(runs.main_family("owl", settings, "transmission"), settings.run_dir)
    expected = {("soft", "same start"): 2.0, ("hard", "other start"): 3.0}
    assert found == {(1, "owl", "numbers", "owl", *place): effect for place, effect in expected.items()}
