"""The chart of the main effects: the published records, in the one palette, with words instead of ids."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from helpers.figures import common, effects, palette
from helpers.results import ledger
from helpers.results.claims import INFORMATIVE, NOT_COMPARABLE, VERDICTS, find_claim

PUBLISHED = Path(__file__).parents[3] / "results/nano"


def shown():
    """The published records of the chart."""
    return [record for record in ledger.load(PUBLISHED) if record.id in effects.MAIN]


def test_the_first_look_shows_claims_in_nats_only():
    assert {find_claim(name).unit for name in effects.MAIN} == {"nats"}


def test_every_line_is_named_in_words_of_its_own():
    labels = list(effects.MAIN.values())
    assert len(set(labels)) == len(labels)
    assert not any("_" in label or "init" in label for label in labels)


def test_marks_show_mean_interval_and_verdict():
    records = shown()
    figure, (ax,) = common.new_figure(3)
    effects.draw_effects(records, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == [effects.MAIN[record.id] for record in records]
    means = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in means] == [record.value for record in records]
    for line, record in zip(means, records, strict=True):
        assert to_hex(line.get_color()) == palette.VERDICT_COLOURS.get(record.verdict, palette.GREY)


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        effects.save_effects(shown(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert plt.get_fignums() == []


def test_figures_have_one_palette():
    folder = Path(effects.__file__).parent
    coloured = [path.name for path in folder.glob("*.py") if path.name != "palette.py" and '"#' in path.read_text()]
    assert coloured == []


def test_the_pages_have_the_colours_of_the_figures():
    css = (PUBLISHED.parents[1] / "book/_style/book.css").read_text()
    assert palette.stylesheet() in css
    rules = [rule for rule in css.splitlines() if rule.startswith(".verdict.")]
    for verdict, colour in palette.VERDICT_COLOURS.items():
        name = re.compile(rf"\.verdict\.{verdict.replace(' ', '-')}[ ,]")
        (own,) = [rule for rule in rules if name.search(rule.partition("{")[0])]
        (variable,) = [name for name, pair in palette.VARIABLES.items() if pair[0] == colour]
        assert f"--verdict-colour: var(--fig-{variable});" in own


def test_every_verdict_that_a_prediction_can_have_is_coloured():
    assert set(palette.VERDICT_COLOURS) == set(VERDICTS) - {NOT_COMPARABLE, INFORMATIVE}


def test_importing_figures_chooses_no_backend():
    modules = [path.stem for path in Path(effects.__file__).parent.glob("[a-z]*.py")]
    imports = "; ".join(f"import helpers.figures.{name}" for name in modules)
    code = f"import matplotlib; matplotlib.use('svg'); {imports}; print(matplotlib.get_backend())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "svg"
