"""Figures of the mechanism notebook, from the tables ``mechanism_*.csv``."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.figures import common
from helpers.results.tables import common_doses

_TREATMENTS = {
    "all labels": ("All labels", common.BLUE),
    "divergence only": ("Divergence tokens alone", common.GREEN),
    "divergence masked": ("Divergence tokens masked", common.GREEN),
    "random masked": ("As many random labels masked", common.GREY),
    "divergence labels replaced": ("Divergence tokens replaced as labels", common.PINK),
    "divergence inputs replaced": ("… replaced where they are read", common.PINK),
    "divergence replaced": ("… replaced in both roles", common.PINK),
    "random replaced": ("As many random tokens replaced in both roles", common.GREY),
}
_PARTS = {
    "all": common.BLUE, "last block": common.GREEN, "first block": common.PINK, "MLP": common.OLIVE,
    "attention": common.ORANGE,
}  # fmt: skip
_AGAINST = {"own teacher": common.BLUE, "another animal's teacher": common.GREY}
_ARMS = {
    "hard.same_init": "Written rows,\nsame start", "soft.same_init": "Soft labels,\nsame start",
    "soft.cross_init": "Soft labels,\nother start",
}  # fmt: skip
_EFFECT = "Effect against the\ncontrol (nats)"


def treatments(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of each treatment of the labels: a dot per run, the mean, its 95 % t-interval.

    `table` is that of `relabelled.run_treatments`.
    """
    common.require_columns(table, "run", "treatment", "effect")
    names = [name for name in _TREATMENTS if (table.treatment == name).any()]
    with common.house_style():
        figure, (ax,) = common.new_figure(0.9 + 0.44 * len(names))
        for place, name in enumerate(names):
            values = table[table.treatment == name].effect
            common.draw_runs(ax, place, values, _TREATMENTS[name][1])
        _rows(ax, [_TREATMENTS[name][0] for name in names])
        ax.set_xlabel(common.EFFECT_LABEL)
    return figure


def entanglement(table: pd.DataFrame, place: str) -> Figure:
    """Draw, for every animal and base, the correlation over all numbers with the animal itself and with others.

    `table` is that of `entanglement.run_entanglement`; `place` says where numbers were read. Dots are means over runs,
    those of others over other animals as well.
    """
    common.require_columns(table, "base", "place", "loved", "named", "r")
    rows = table[table.place == place]
    bases, animals = list(dict.fromkeys(rows.base)), list(dict.fromkeys(rows.loved))
    with common.house_style():
        figure, axes = common.new_figure(0.9 + 0.22 * len(animals), len(bases), sharey=True, sharex=True)
        for ax, base in zip(axes, bases, strict=True):
            own = rows[rows.base == base]
            matched = own.loved == own.named
            same, others = (own[which].groupby("loved", sort=False).r.mean() for which in (matched, ~matched))
            ax.scatter(others, range(len(animals)), s=22, color=common.GREY, label="other animals (mean)")
            ax.scatter(same, range(len(animals)), s=26, color=common.BLUE, label="the same animal")
            ax.set(title=base, xlabel="r over all numbers")
            _rows(ax, animals)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def parts(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of students with adapters in one part: at the end, and over the steps.

    `table` is that of `layers.run_layers`.
    """
    common.require_columns(table, "run", "part", "step", "effect")
    names = [name for name in _PARTS if (table.part == name).any()]
    with common.house_style():
        figure, (ends, way) = common.new_figure(3.1, 2)
        for place, name in enumerate(names):
            own = table[table.part == name]
            last = own.step == own.groupby("run").step.transform("max")
            common.draw_runs(ends, place, own[last].effect, _PARTS[name])
            runs = own.assign(step=common_doses(own, "step")).pivot_table(index="run", columns="step", values="effect")
            common.draw_line(way, list(runs.columns), runs, _PARTS[name], name)
        _rows(ends, names)
        ends.set(title="At the end", xlabel="Effect against the control (nats)")
        _steps(way, "Over the training", _EFFECT)
    return figure


def directions(table: pd.DataFrame) -> Figure:
    """Draw the cosine of student's and teachers' ways, in weights and activations, a dot per run.

    `table` is the first of `directions.run_directions`.
    """
    common.require_columns(table, "run", "arm", "against", "place", "cosine")
    arms = [arm for arm in _ARMS if (table.arm == arm).any()]
    places = sorted(set(table.place), key=lambda place: (place != "weights", place))
    with common.house_style():
        figure, axes = common.new_figure(1.2 + 0.62 * len(places), len(arms), sharey=True, sharex=True)
        for ax, arm in zip(axes, arms, strict=True):
            for shift, (against, colour) in zip((-0.15, 0.15), _AGAINST.items(), strict=True):
                own = table[(table.arm == arm) & (table.against == against)]
                y = [places.index(place) + shift for place in own.place]
                ax.scatter(own.cosine, y, s=22, color=colour, alpha=0.7, linewidth=0, label=against)
            ax.set_title(_ARMS[arm], fontsize="small")
            ax.set_xlabel("Cosine")
            _rows(ax, places)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def way(table: pd.DataFrame) -> Figure:
    """Draw cosine with the teachers' ways and projection onto them over the training of soft-label students.

    `table` is the second of `directions.run_directions`; students of another start are dashed.
    """
    common.require_columns(table, "run", "arm", "against", "step", "cosine", "projection")
    labels = {"cosine": "Cosine with the\nteacher's way", "projection": "Share of the teacher's\nway, along it"}
    with common.house_style():
        figure, axes = common.new_figure(3.3, 2)
        for ax, (column, label) in zip(axes, labels.items(), strict=True):
            for (arm, against), own in table.groupby(["arm", "against"], sort=False):
                steps = common_doses(own, "step")
                runs = own.assign(step=steps).pivot_table(index="run", columns="step", values=column)
                name = f"{_ARMS[arm].splitlines()[1]}, {against}"
                common.draw_line(ax, list(runs.columns), runs, _AGAINST[against], name, arm == "soft.cross_init")
            _steps(ax, "", label, legend=False)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small")
    return figure


def hops(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) at each hop of the chains, a line with a 95 % band per kind of labels.

    `table` is that of `hops.run_hops`; written rows are dashed.
    """
    common.require_columns(table, "run", "arm", "hop", "effect")
    with common.house_style():
        figure, (ax,) = common.new_figure(3.2)
        for arm, own in table.groupby("arm", sort=False):
            runs = own.pivot_table(index="run", columns="hop", values="effect")
            label = _ARMS[arm].split(",")[0]
            common.draw_line(ax, list(runs.columns), runs, common.arm_colour(arm), label, arm.startswith("hard"))
        _steps(ax, "", _EFFECT)
        ax.set_xlabel("Hop: students from the teacher on, the one that is read included")
    return figure


def _rows(ax: Axes, names: list[str]) -> None:
    common.zero_line(ax)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


def _steps(ax: Axes, title: str, label: str, legend: bool = True) -> None:
    common.zero_line(ax, horizontal_bars=False)
    ax.set(title=title, xlabel="Optimizer steps", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    sns.despine(ax=ax)
    ax.grid(axis="y")
    if legend:
        ax.legend(fontsize="small")
