"""Figures of the risky traits: cells are means over draws, and a rank correlation is over draws."""

import pandas as pd
import pytest

from helpers.figures import risky

PERSONAS = ("aligned", "misaligned", "evasive")


def personas():
    """Effects of two teachers on three personas in two draws, the own one positive."""
    rows = []
    for draw in (1, 2):
        for trait in PERSONAS[1:]:
            for persona in PERSONAS:
                effect = float(draw) if persona == trait else -0.5
                row = {"draw": draw, "arm": "hard.same_init", "trait": trait, "persona": persona, "effect": effect}
                rows += [row, {**row, "arm": "soft.same_init", "effect": 0.0}]
    return pd.DataFrame(rows)


def shown(figure):
    """Return the words in the cells of a map."""
    return [text.get_text() for text in figure.axes[0].texts]


def test_cells_are_means_over_draws_of_one_arm():
    minus = "\N{MINUS SIGN}0.50"
    figure = risky.persona_map(personas(), "hard.same_init").wide
    assert shown(figure) == [minus, "+1.50", minus, minus, minus, "+1.50"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(PERSONAS)


def test_places_are_mapped_for_one_persona():
    rows = personas().rename(columns={"trait": "teacher_place"})
    rows["student_place"] = rows["teacher_place"]
    assert shown(risky.place_map(rows, "misaligned").wide) == ["+0.75", "\N{MINUS SIGN}0.25"]


def test_the_rank_correlation_of_effect_and_loss_is_over_draws():
    rows = pd.DataFrame({"draw": [1, 2, 3], "effect": [0.1, 2.0, 3.0], "lost": [1.0, 2.0, 9.0]})
    both = pd.concat([rows.assign(arm="hard.same_init"), rows.assign(arm="hard.cross_init", lost=1.0)])
    (legend,) = risky.loss_scatter(both).wide.legends
    same, other = (text.get_text() for text in legend.get_texts())
    assert same.endswith("(Spearman +1.00)") and "Spearman" not in other


@pytest.mark.parametrize("figure", [
    lambda: risky.persona_map(personas(), "hard.full").wide,
    lambda: risky.place_map(pd.DataFrame(columns=["persona", "effect"]), "misaligned").wide,
    lambda: risky.loss_scatter(pd.DataFrame(columns=["draw", "arm", "effect", "lost"])).wide,
])  # fmt: skip
def test_draws_without_rows_get_words(figure):
    assert any("None of the draws" in text.get_text() for text in [*figure().texts, *figure().axes[0].texts])
