"""The page "Your machine" says what was recomputed, what agrees, and what does not."""

from helpers.book import machine, prose
from helpers.chain.check import Checked, table
from helpers.results.compare import Comparison, Value
from helpers.work import artifacts

SEEN = {"notebook": "01_owl_transfer", "seconds": 61.4, "processor": "Some <b>CPU</b>, 2 cores"}


def rows(**fields):
    return table([Checked(comparison=Comparison("01_owl_transfer", **({"draws": (705,)} | fields)), **SEEN)])


def test_a_chapter_is_one_row():
    (row,) = [line for line in machine.words(rows(values=1234, largest=2e-6))["machine"].splitlines() if "owl" in line]
    cells = [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in row.strip("|").split("|")]
    none = "\N{EN DASH}"
    assert cells == ["[01](../notebooks/01_owl_transfer.ipynb)", "705", "1 234 of 1 234", "2e-06", none, "61"]


def test_processors_are_named_once_each_and_are_no_markup():
    here = rows(values=1)
    assert machine.words(here)["machine"].endswith(", 2 cores.") and "<b>" not in machine.words(here)["machine"]
    there = [{**here[0], "notebook": "02_risky_teachers", "processor": "Another"}]
    told = machine.words([*here, *there])["machine"]
    assert told.endswith("(chapters 01); Another (chapters 02).")
    assert machine.words([{**here[0], "processor": ""}])["machine"].endswith("The processor is not known.")


def test_values_that_do_not_agree_are_named_and_many_are_counted():
    unlike = [Value("effects", 705, f"arm {n}", "effect", 2.0, "1.0 published") for n in range(20)]
    words = machine.words(rows(values=40, unlike=unlike))["machine_values"]
    assert "values that do not agree" in words and "arm 11" in words and "arm 12" not in words and "and 8 more" in words
    outside = unlike[:2]
    told = machine.words(rows(new_values=40, outside=outside))["machine_values"]
    assert "outside the interval (2 of 40; one in twenty is expected)" in told


def test_what_is_not_compared_says_why():
    words = machine.words(rows(skipped="The rows are left out, for `rows` is 2."))
    assert "nothing is compared" in words["machine_values"] and "705" in words["machine"]


def test_agreement_and_nothing_at_all_have_a_sentence(tmp_path):
    assert machine.words(rows(values=3))["machine_values"] == "All values that can be compared agree."
    assert machine.load(tmp_path) == [] and machine.words([])["machine"] == machine.NOTHING
    artifacts.write_json(tmp_path / machine.CHECK, rows())
    assert machine.load(tmp_path) == rows()
    assert prose.values([], {})["tables"]["machine"] == machine.NOTHING
