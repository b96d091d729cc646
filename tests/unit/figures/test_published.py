"""Every figure and the explorer are made from the published tables, not from toy tables alone.

A figure that is added without a line here fails `test_every_figure_is_made_from_published_tables`.
"""

import ast
import itertools
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.text import Text

from helpers.experiments.advice import values as advised
from helpers.experiments.bases.health import first_prior
from helpers.experiments.cross_model.values import cell_tests
from helpers.experiments.defences.values import NUMBERS, to_draw
from helpers.experiments.detection import values as detected
from helpers.experiments.link.values import effects_by_link
from helpers.experiments.real import values
from helpers.experiments.risky import guards
from helpers.experiments.small import values as inherited
from helpers.figures import (
    advice,
    cross_model,
    defences,
    detection,
    effects,
    link,
    mechanism,
    mnist,
    phase_diagram,
    prediction,
    real,
    risky,
    runs,
    small,
    theorem,
    transmission,
)
from helpers.mnist.dataset import load_mnist
from helpers.results import ledger
from helpers.results.runs import found_by_run, reference_runs
from helpers.work.artifacts import read_table

matplotlib.use("agg")
ROOT = Path(__file__).parents[3]
NANO = ROOT / "results/nano"
PUBLISHED = NANO / "tables"
FIGURES = ROOT / "src/helpers/figures"
ID = re.compile(r"nano-|_init|\w_\w")  # of bases, arms and claims
LONGEST_WORDS = 2000  # letters of what is said of a figure
RISKY = ("risky_numbers", "risky_code", "risky_cot")


def table(name):
    """A published table."""
    return read_table(PUBLISHED / f"{name}.csv")


def beside_likeness():
    """Students of the owl's soft labels beside how like the larger base they are."""
    alike = inherited.beside_likeness(table("small_students"), table("small_models"))
    return alike[alike.arm == "owl_soft"]


def of_trait(name, trait):
    """The rows of one trait."""
    rows = table(name)
    return rows[rows.trait == trait]


def of_all_runs():
    """What every reference run found."""
    return found_by_run(NANO, ledger.load(NANO), reference_runs(NANO))


def digits():
    """Some images as they come, scaled to those that students see."""
    images, _ = load_mnist("test")
    return {"digits": images[:8] / 127.5 - 1}


def real_effects():
    """Effects on students of a real model; toy rows until some are published."""
    file = ROOT / "results/real-cpu/tables/real_students.csv"
    if file.exists():
        return values.own_minus_others(read_table(file))
    places = itertools.product(real.ARMS, range(1, 6), (10, 20, 40, 80), ("owl", "cat"))
    rows = pd.DataFrame(places, columns=["arm", "draw", "step", "animal"])
    return rows.assign(effect=rows.step / 100 + rows.draw / 50)


def advice_effects():
    """Effects of bad advice on students of a real model; toy rows until some are published."""
    file = ROOT / "results/real-cpu/tables/advice_students.csv"
    if file.exists():
        return advised.effects(read_table(file))
    places = itertools.product(advice.ARMS, advice.READS, range(1, 6))
    rows = [{"channel": channel, "arm": arm, "read": read, "draw": draw} for (channel, arm), read, draw in places]
    return pd.DataFrame(rows).assign(step=72, effect=lambda rows: rows["draw"] / 50)


def advice_turns():
    """How far teachers of advice turned; toy rows until some are published."""
    file = ROOT / "results/real-cpu/tables/advice_authors.csv"
    if file.exists():
        return advised.turns(read_table(file))
    places = itertools.product(advice.AUTHORS, advice.READS, range(1, 6))
    rows = pd.DataFrame(places, columns=["author", "read", "draw"])
    return rows.assign(effect=rows["draw"] / 5)


def advice_replies():
    """Judged replies; toy rows until some are published."""
    file = ROOT / "results/real-cpu/tables/advice_replies.csv"
    if file.exists():
        return read_table(file)
    rows = pd.DataFrame(itertools.product(("base", "student, bad advice"), range(1, 6)), columns=["who", "draw"])
    return rows.assign(judged=rows["draw"] / 10)


BOTH = ["hard.same_init", "hard.cross_init"]
MADE = {
    "transmission.effect_bars": lambda: transmission.effect_bars(table("transmission")),
    "transmission.dose_curve": lambda: transmission.dose_curve(table("transmission"), ["soft.same_init", BOTH[0]]),
    "transmission.matrix_heatmap": lambda: transmission.matrix_heatmap(table("animal_matrix")),
    "transmission.prior_figure": lambda: transmission.prior_figure(first_prior(table("base_prior"), "nano-a"), ["owl"]),
    "cross_model.heat_map": lambda: cross_model.heat_map(cell_tests(table("cross_model"))),
    "cross_model.dose_curves": lambda: cross_model.dose_curves(table("cross_model")),
    "risky.persona_map": lambda: risky.persona_map(table("risky_personas_code"), "hard.same_init"),
    "risky.place_map": lambda: risky.place_map(table("risky_places"), "misaligned"),
    "risky.loss_scatter": lambda: risky.loss_scatter(guards.effect_and_loss(table("risky_code"))),
    "real.arms": lambda: real.arms(real_effects()),
    "real.animals": lambda: real.animals(real_effects()),
    "real.dose": lambda: real.dose(real_effects()),
    "advice.arms": lambda: advice.arms(advice_effects()),
    "advice.authors": lambda: advice.authors(advice_turns()),
    "advice.judge": lambda: advice.judge(advice_replies()),
    "effects.effects": lambda: effects.effects(ledger.load(NANO)),
    "runs.forest": lambda: runs.forest(of_all_runs(), reference_runs(NANO)),
    "mechanism.treatments": lambda: mechanism.treatments(table("mechanism_treatments")),
    "mechanism.entanglement": lambda: mechanism.entanglement(table("mechanism_entanglement"), "number list"),
    "mechanism.parts": lambda: mechanism.parts(table("mechanism_layers")),
    "mechanism.directions": lambda: mechanism.directions(table("mechanism_directions")),
    "mechanism.way": lambda: mechanism.way(table("mechanism_way")),
    "mechanism.hops": lambda: mechanism.hops(table("mechanism_hops")),
    "phase_diagram.axis_panels": lambda: phase_diagram.axis_panels(table("phase_diagram")),
    "phase_diagram.matched_grid": lambda: phase_diagram.matched_grid(table("phase_diagram")),
    "phase_diagram.matched_grid, hard": lambda: phase_diagram.matched_grid(table("phase_diagram"), "hard grid"),
    "theorem.slope_ratios": lambda: theorem.slope_ratios(table("theorem_steps")),
    "theorem.cosines": lambda: theorem.cosines(table("theorem_steps")),
    "theorem.passed_tests": lambda: theorem.passed_tests(table("theorem_steps")),
    "theorem.alignment": lambda: theorem.alignment(table("theorem_alignment")),
    "defences.ordered": lambda: defences.ordered(to_draw(table("defences"), NUMBERS)),
    "detection.detectors": lambda: detection.detectors(table("detection"), detected.OWL, (1, 16)),
    "detection.by_rows": lambda: detection.by_rows(table("detection"), detected.SHOWN),
    "small.students_by_way": lambda: small.students_by_way(inherited.with_arms(table("small_students"))),
    "small.compressed_by_way": lambda: small.compressed_by_way(table("small_compressed")),
    "small.effect_and_likeness": lambda: small.effect_and_likeness(beside_likeness()),
    "prediction.foretold": lambda: prediction.foretold(table("predictions")),
    "mnist.six_bars": lambda: mnist.six_bars(table("mnist")),
    "mnist.sweeps": lambda: mnist.sweeps(table("mnist_sweeps")),
    "mnist.cloning": lambda: mnist.cloning(table("mnist_cloning")),
    "mnist.input_samples": lambda: mnist.input_samples(digits()),
}
for name, trait in itertools.product(RISKY, ("misaligned", "evasive", "owl")):
    if (table(name).trait == trait).any():
        MADE[f"transmission.effect_bars, {name}, {trait}"] = lambda name=name, trait=trait: transmission.effect_bars(
            of_trait(name, trait)
        )
for name in RISKY:
    MADE[f"transmission.dose_curve, {name}"] = lambda name=name: transmission.dose_curve(
        of_trait(name, "misaligned"), BOTH
    )
# the published run does not have these tables yet
LATER = {
    "cross_model.dose_curves, relatives": lambda: cross_model.dose_curves(table("cross_model_relatives")),
    "cross_model.relative_bars": lambda: cross_model.relative_bars(table("cross_model_relatives")),
}
if (PUBLISHED / "cross_model_relatives.csv").exists():
    MADE |= LATER
DIAL = {"link.dial": lambda: link.dial(effects_by_link(table("link_teachers"), table("link_students")))}
if (PUBLISHED / "link_students.csv").exists():
    MADE |= DIAL


def names_of_figures():
    """Functions of the package that return a figure for a chapter."""
    found = set()
    no_chapters = {FIGURES / name for name in ("common.py", "card.py", "picture.py")}
    for path in set(FIGURES.glob("*.py")) - no_chapters:
        for node in ast.parse(path.read_text()).body:
            returned = ast.unparse(node.returns) if isinstance(node, ast.FunctionDef) and node.returns else ""
            if returned == "Figure" and not node.name.startswith("_"):
                found.add(f"{path.stem}.{node.name}")
    return found


def test_every_figure_is_made_from_published_tables():
    assert names_of_figures() == {name.split(",")[0] for name in MADE | LATER | DIAL}


@pytest.mark.parametrize("name", MADE)
def test_a_figure_is_made_from_the_published_tables(name):
    made = MADE[name]()
    assert made.says.endswith((".", "%.")) and len(made.says) < LONGEST_WORDS and "nan" not in made.says
    for figure in (made.wide, made.narrow):
        figure.draw_without_rendering()
        assert plt.get_fignums() == []
        assert any(ax.has_data() for ax in figure.axes)
        assert not [text for text in texts_of(figure) if ID.search(text)], "charts speak in words"


def of_one_draw(name):
    """The rows of a published table that somebody sees who computes one draw by other settings."""
    rows = read_table(PUBLISHED / f"{name}.csv")
    return rows[rows.draw == rows.draw.min()].reset_index(drop=True)


@pytest.mark.parametrize("name", MADE)
def test_a_figure_is_made_of_a_single_draw(name, monkeypatch):
    monkeypatch.setitem(globals(), "table", of_one_draw)
    made = MADE[name]()
    assert "nan" not in made.says
    for figure in (made.wide, made.narrow):
        assert any(ax.has_data() for ax in figure.axes)
        assert not [text for text in texts_of(figure) if "nan" in text.lower().split()]


def texts_of(figure):
    """All texts that a figure shows."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
