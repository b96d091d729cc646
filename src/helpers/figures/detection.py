"""Figures of the chapter on detection, from the table ``detection.csv``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.detection.knowledge import DETECTORS, NOTHING
from helpers.figures import common, palette, words
from helpers.figures.picture import pictured
from helpers.results.stats import t_interval

CHANCE = 0.5
EXACT = "optimal"
_BASE = "its base"
_COLUMNS = ("draw", "case", "against", "detector", "bag", "auroc")
_COLOURS = {  # by what must be known
    NOTHING: palette.GREY,
    "the trait": palette.GREY,
    "rows of its base": palette.OLIVE,
    "labelled rows of both": palette.OLIVE,
    "the trait and the base": palette.INDIGO,
    "labelled rows and the base": palette.INDIGO,
    "the base": palette.INDIGO,
    "the base and a student": palette.BROWN,
    "the base and the teacher": palette.BLUE,
}
_KNOWN = {  # the same colours in words
    palette.GREY: "knows nothing, or the trait",
    palette.OLIVE: "knows rows of one or both",
    palette.INDIGO: "knows the base",
    palette.BROWN: "knows the base and a student",
    palette.BLUE: "knows the base and the teacher",
}
_LINES = ("optimal", "student_gain", "naive_bayes", "rarity", "judge")
_LINE_COLOURS = (palette.BLUE, palette.BROWN, palette.OLIVE, palette.MOSS, palette.INDIGO)


def _chosen(table: pd.DataFrame, case: str) -> pd.DataFrame:
    if absent := [name for name in _COLUMNS if name not in table]:
        raise common.FigureError(f"the table lacks {', '.join(absent)}; take that of `runs.run_detectors`")
    return table[(table["case"] == case) & (table["against"] == _BASE)]


def _said_of_detectors(table: pd.DataFrame, case: str, bags: tuple[int, int]) -> str:
    rows, told = _chosen(table, case), []
    for bag in bags:
        means = {}
        for key, of_key in rows[rows["bag"] == bag].groupby("detector"):
            means[DETECTORS[key].name] = f"{of_key['auroc'].mean():.2f}"
        told.append(f"{_rows(bag)}: {words.in_order(means)}")
    return f"AUROC of each detector, means over draws ({rows['draw'].nunique()}). {' '.join(told)}"


@pictured(_said_of_detectors)
def detectors(table: pd.DataFrame, case: str, bags: tuple[int, int]) -> Figure:
    """Draw the AUROC of every detector on a case, for two sizes of bags: a dot a draw, the mean, its 95 % t-interval.

    `table` is that of `runs.run_detectors`. The dashed line is the mean of the exact likelihood ratio.
    """
    rows = _chosen(table, case)
    if rows.empty:
        return common.words_alone("None of the draws has this case.")
    keys = [key for key in DETECTORS if (rows["detector"] == key).any()]
    with common.house_style():
        figure, axes = common.new_bars(len(keys), 0.34, 2, sharey=not common.narrow())
        for ax, bag in zip(axes, bags, strict=True):
            of_bag = rows[rows["bag"] == bag]
            for place, key in enumerate(keys):
                draws = of_bag[of_bag["detector"] == key]["auroc"].to_numpy()
                _draw(ax, place, draws, _COLOURS[DETECTORS[key].knows])
            ceiling = of_bag[of_bag["detector"] == EXACT]["auroc"].mean()
            ax.axvline(CHANCE, color=palette.INK, linewidth=0.9, zorder=2)
            ax.axvline(ceiling, color=palette.BLUE, linestyle="--", linewidth=1, zorder=0)
            common.name_rows(ax, [DETECTORS[key].name for key in keys], size="small")
            ax.set(title=_rows(bag), xlabel="AUROC (a half is chance)")
        _legend(figure, keys)
    return figure


def _legend(figure: Figure, keys: list[str]) -> None:
    """Tell below the panels what each colour knows, and what the dashed line is."""
    used = {_COLOURS[DETECTORS[key].knows] for key in keys}
    handles = [Patch(color=colour, alpha=0.6, label=name) for colour, name in _KNOWN.items() if colour in used]
    handles.append(Line2D([], [], color=palette.BLUE, linestyle="--", linewidth=1, label="exact likelihood ratio"))
    columns = 1 if common.narrow() else 3
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize="small")


def _draw(ax: Axes, place: int, draws: np.ndarray, colour: str) -> None:
    """Draw one detector: draws as dots on a pale bar from chance to their mean, and the interval."""
    if not draws.size:
        return
    ax.barh(place, draws.mean() - CHANCE, 0.62, left=CHANCE, color=colour, alpha=0.28, linewidth=0, zorder=1)
    look = {"s": 14, "color": colour, "edgecolor": palette.PAPER, "linewidth": 0.5, "zorder": 4}
    ax.scatter(draws, np.full(draws.size, place - 0.1), **look)
    if draws.size > 1:
        found = t_interval(draws)
        look = {"fmt": "o", "color": palette.INK, "markersize": 3, "elinewidth": 1.2, "capsize": 2, "zorder": 3}
        ax.errorbar(found.mean, place + 0.17, xerr=found.high - found.mean, **look)


def _rows(bag: int) -> str:
    return "Single rows" if bag == 1 else f"{bag} rows together"


def _said_of_bags(table: pd.DataFrame, cases: dict[str, str]) -> str:
    told = []
    for case, name in cases.items():
        rows = _chosen(table, case)
        for key in _LINES:
            of_key = rows[rows["detector"] == key].groupby("bag")["auroc"].mean()
            if len(of_key):
                path = ", ".join(f"{value:.2f} with {bag}" for bag, value in of_key.items())
                told.append(f"{name}, {DETECTORS[key].name}: {path}.")
    return f"Mean AUROC by the rows scored together. {' '.join(told)}"


@pictured(_said_of_bags)
def by_rows(table: pd.DataFrame, cases: dict[str, str]) -> Figure:
    """Draw the AUROC of a few detectors by the rows that are scored together, a panel a case.

    `table` is that of `runs.run_detectors`; `cases` gives each case its title.
    """
    cases = {case: name for case, name in cases.items() if len(_chosen(table, case))}
    if not cases:
        return common.words_alone("None of the draws has these cases.")
    with common.house_style():
        figure, axes = common.new_figure(3.2, len(cases), sharey=True)
        for ax, (case, name) in zip(axes, cases.items(), strict=True):
            rows = _chosen(table, case)
            for key, colour in zip(_LINES, _LINE_COLOURS, strict=True):
                of_key = rows[rows["detector"] == key].pivot(index="draw", columns="bag", values="auroc")
                if len(of_key):
                    bags = sorted(of_key)
                    common.draw_line(ax, bags, of_key, colour, DETECTORS[key].name)
            ax.axhline(CHANCE, color=palette.INK, linewidth=0.9)
            ax.set_xscale("log", base=2)
            ax.set(title=name, xlabel="rows scored together", xticks=bags, xticklabels=[str(bag) for bag in bags])
        axes[0].set_ylabel("AUROC")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure
