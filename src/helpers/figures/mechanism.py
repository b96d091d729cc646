"""Figures of the mechanism notebook, from the tables ``mechanism_*.csv``."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.figures import common, palette, words
from helpers.figures.arms import arm_colour, arm_label, base_label, one_line
from helpers.figures.picture import pictured
from helpers.results.tables import common_doses

_TREATMENTS = {
    "all labels": ("All labels", palette.BLUE),
    "divergence only": ("Divergence tokens alone", palette.OLIVE),
    "divergence masked": ("Divergence tokens masked", palette.OLIVE),
    "random masked": ("As many random\nlabels masked", palette.GREY),
    "divergence labels replaced": ("Divergence tokens\nreplaced as labels", palette.INDIGO),
    "divergence inputs replaced": ("Divergence tokens\nreplaced where they are read", palette.INDIGO),
    "divergence replaced": ("Divergence tokens\nreplaced in both roles", palette.INDIGO),
    "random replaced": ("As many random tokens\nreplaced in both roles", palette.GREY),
}
_PARTS = {
    "all": palette.BLUE,
    "last block": palette.OLIVE,
    "first block": palette.INDIGO,
    "MLP": palette.BROWN,
    "attention": palette.MOSS,
}
_AGAINST = {"own teacher": palette.BLUE, "another animal's teacher": palette.GREY}
_ARMS = ("hard.same_init", "soft.same_init", "soft.cross_init")
_EFFECT = "Effect against the\ncontrol (nats)"


def _said_of_treatments(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "treatment", "effect")
    effects = table.groupby("treatment").effect
    told = {}
    for name in [name for name in _TREATMENTS if name in effects.groups]:
        told[" ".join(_TREATMENTS[name][0].split())] = words.mean_and_interval(effects.get_group(name))
    return f"Effect in nats by treatment of the labels, {words.counted(table.draw.nunique())}: {words.in_order(told)}"


@pictured(_said_of_treatments)
def treatments(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of each treatment of the labels: a dot per draw, the mean, its 95 % t-interval.

    `table` is that of `relabelled.run_treatments`.
    """
    common.require_columns(table, "draw", "treatment", "effect")
    names = [name for name in _TREATMENTS if (table.treatment == name).any()]
    with common.house_style():
        figure, (ax,) = common.new_bars(len(names), 0.44)
        for place, name in enumerate(names):
            values = table[table.treatment == name].effect
            common.draw_runs(ax, place, values, _TREATMENTS[name][1])
        common.zero_line(ax)
        common.name_rows(ax, [_TREATMENTS[name][0] for name in names])
        ax.set_xlabel(common.EFFECT_LABEL)
    return figure


def _said_of_entanglement(table: pd.DataFrame, place: str) -> str:
    common.require_columns(table, "base", "draw", "place", "loved", "named", "r")
    rows, told = table[table.place == place], []
    for base, of_base in rows.groupby("base", sort=False):
        same = of_base[of_base.loved == of_base.named].groupby("draw").r.mean()
        others = of_base[of_base.loved != of_base.named].groupby("draw").r.mean()
        name = " ".join(base_label(base).split()).capitalize()
        told.append(
            f"{name}: with the animal itself {words.mean_and_interval(same, 3)}, "
            f"with others {words.mean_and_interval(others, 3)}."
        )
    return f"Correlation over all numbers, mean over animals and draws. {' '.join(told)}"


@pictured(_said_of_entanglement)
def entanglement(table: pd.DataFrame, place: str) -> Figure:
    """Draw, for every animal and base, the correlation over all numbers with the animal itself and with others.

    `table` is that of `entanglement.run_entanglement`; `place` says where numbers were read. Dots are means over draws,
    those of others over other animals as well.
    """
    common.require_columns(table, "base", "draw", "place", "loved", "named", "r")
    rows = table[table.place == place]
    bases = list(dict.fromkeys(rows.base))
    animals = list(dict.fromkeys(rows.loved))
    with common.house_style():
        figure, axes = common.new_figure(0.9 + 0.22 * len(animals), len(bases), sharey=True, sharex=True)
        for ax, base in zip(axes, bases, strict=True):
            _entangled(ax, rows[rows.base == base], animals)
            ax.set(title=" ".join(base_label(base).split()).capitalize(), xlabel="r over all numbers")
        _legend_below(figure, axes[0])
    return figure


def _entangled(ax: Axes, rows: pd.DataFrame, animals: list[str]) -> None:
    matched = rows.loved == rows.named
    same = rows[matched].groupby("loved").r.mean()
    others = rows[~matched].groupby("loved").r.mean()
    places = range(len(animals))
    ax.scatter(others.reindex(animals), places, s=22, color=palette.GREY, label="other animals (mean)")
    ax.scatter(same.reindex(animals), places, s=26, color=palette.BLUE, label="the same animal")
    common.zero_line(ax)
    common.name_rows(ax, animals)


def _said_of_parts(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "part", "step", "effect")
    last = table[table.step == table.groupby(["draw", "part"]).step.transform("max")].groupby("part").effect
    told = {name.capitalize(): words.mean_and_interval(last.get_group(name)) for name in _PARTS if name in last.groups}
    return f"Effect at the end in nats, by the part that has adapters: {words.in_order(told)}"


@pictured(_said_of_parts)
def parts(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) of students with adapters in one part: at the end, and over the steps.

    `table` is that of `layers.run_layers`.
    """
    common.require_columns(table, "draw", "part", "step", "effect")
    names = [name for name in _PARTS if (table.part == name).any()]
    with common.house_style():
        figure, (ends, course) = common.new_figure(3.1, 2)
        for place, name in enumerate(names):
            own = table[table.part == name]
            last = own.step == own.groupby("draw").step.transform("max")
            common.draw_runs(ends, place, own[last].effect, _PARTS[name])
            effects = _by_step(own, "effect")
            common.draw_line(course, list(effects.columns), effects, _PARTS[name], name)
        common.zero_line(ends)
        common.name_rows(ends, names)
        ends.set(title="At the end", xlabel="Effect against the control (nats)")
        _steps(course, "Over the training", _EFFECT)
        course.set_xticks(sorted(set(common_doses(table, "step", ["part"]))))  # where students were read, not between
        course.legend(fontsize="small")
    return figure


def _said_of_directions(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "arm", "against", "place", "cosine")
    means = table.groupby(["arm", "against", "place"]).cosine.mean()
    told = []
    for arm in [arm for arm in _ARMS if (table.arm == arm).any()]:
        in_weights = [common.signed(means.get((arm, against, "weights"), float("nan"))) for against in _AGAINST]
        told.append(f"{one_line(arm)}: {in_weights[0]} with the own teacher, {in_weights[1]} with another animal's.")
    return f"Mean cosine of the student's way in weights with a teacher's. {' '.join(told)}"


@pictured(_said_of_directions)
def directions(table: pd.DataFrame) -> Figure:
    """Draw the cosine of student's and teachers' ways, in weights and activations, a dot per draw.

    `table` is the first of `directions.run_directions`.
    """
    common.require_columns(table, "draw", "arm", "against", "place", "cosine")
    arms = [arm for arm in _ARMS if (table.arm == arm).any()]
    places = sorted(set(table.place), key=lambda place: (place != "weights", place))  # weights on top
    with common.house_style():
        figure, axes = common.new_figure(1.2 + 0.62 * len(places), len(arms), sharey=True, sharex=True)
        for ax, arm in zip(axes, arms, strict=True):
            for shift, (against, colour) in zip((-0.15, 0.15), _AGAINST.items(), strict=True):
                own = table[(table.arm == arm) & (table.against == against)]
                heights = own.place.map(places.index) + shift
                ax.scatter(own.cosine, heights, s=22, color=colour, alpha=0.7, linewidth=0, label=against)
            ax.set_title(arm_label(arm), fontsize="small")
            ax.set_xlabel("Cosine")
            common.zero_line(ax)
            common.name_rows(ax, places)
        _legend_below(figure, axes[0])
    return figure


def _said_of_way(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "arm", "against", "step", "cosine", "projection")
    told = {}
    for (arm, against), own in table.groupby(["arm", "against"], sort=False):
        values = _by_step(own, "cosine")
        told[f"{_start(arm).capitalize()}, {against}"] = words.along(values, list(values.columns))
    return (
        f"Mean cosine of the way so far with a teacher's, from the first read-out to the last: {words.in_order(told)}"
    )


@pictured(_said_of_way)
def way(table: pd.DataFrame) -> Figure:
    """Draw cosine with the teachers' ways and projection onto them over the training of soft-label students.

    `table` is the second of `directions.run_directions`; students of another start are dashed.
    """
    common.require_columns(table, "draw", "arm", "against", "step", "cosine", "projection")
    labels = {"cosine": "Cosine with the\nteacher's way", "projection": "Share of the teacher's\nway, along it"}
    with common.house_style():
        figure, axes = common.new_figure(3.3, 2)
        for ax, (column, label) in zip(axes, labels.items(), strict=True):
            for (arm, against), own in table.groupby(["arm", "against"], sort=False):
                values = _by_step(own, column)
                name = f"{_start(arm)}, {against}"
                common.draw_line(ax, list(values.columns), values, _AGAINST[against], name, arm == "soft.cross_init")
            _steps(ax, "", label)
        _legend_below(figure, axes[0])
    return figure


def _said_of_hops(table: pd.DataFrame) -> str:
    common.require_columns(table, "draw", "arm", "hop", "effect")
    told = {}
    for (arm, hop), rows in table.groupby(["arm", "hop"], sort=False):
        told[f"{_labels(arm)}, hop {hop}"] = words.mean_and_interval(rows.effect)
    return f"Effect in nats, {words.counted(table.draw.nunique())}: {words.in_order(told)}"


@pictured(_said_of_hops)
def hops(table: pd.DataFrame) -> Figure:
    """Draw the effect (nats) at each hop of the chains, a line with a 95 % band per kind of labels.

    `table` is that of `hops.run_hops`; written rows are dashed.
    """
    common.require_columns(table, "draw", "arm", "hop", "effect")
    with common.house_style():
        figure, (ax,) = common.new_figure(3.2)
        for arm, own in table.groupby("arm", sort=False):
            effects = own.pivot_table(index="draw", columns="hop", values="effect")
            dashed = arm.startswith("hard")
            common.draw_line(ax, list(effects.columns), effects, arm_colour(arm), _labels(arm), dashed)
        _steps(ax, "", _EFFECT)
        ax.legend(fontsize="small")
        ax.set_xlabel("Hop: students from the teacher on,\nthe one that is read included")
    return figure


def _labels(arm: str) -> str:
    """Return what an arm's students learn from, "Written rows" or "Soft labels"."""
    return one_line(arm).split(",")[0]


def _start(arm: str) -> str:
    """Return the start of an arm's students, "same start" or "other start"."""
    return one_line(arm).rsplit(", ", 1)[-1]


def _by_step(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column of the rows with a row per draw and a column per step (of those that correspond, the mean)."""
    return rows.assign(step=common_doses(rows, "step")).pivot_table(index="draw", columns="step", values=column)


def _steps(ax: Axes, title: str, label: str) -> None:
    common.zero_line(ax, horizontal_bars=False)
    ax.set(title=title, xlabel="Optimizer steps", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    sns.despine(ax=ax)
    ax.grid(axis="y")


def _legend_below(figure: Figure, ax: Axes) -> None:
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside lower center", ncols=1 if common.narrow() else 2, fontsize="small"
    )
