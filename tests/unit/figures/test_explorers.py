"""The frame of the explorers, and the data of those on pages that are no notebooks."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from helpers.book.explorers import page_explorers
from helpers.book.prose import ordered
from helpers.figures import arms as naming
from helpers.figures.ask import AskTheModels
from helpers.figures.explorers import frame
from helpers.figures.explorers.claims import ClaimsExplorer, claims_block, claims_data
from helpers.figures.explorers.damage import CHANNELS, DamageExplorer, damage_data, damage_explorer
from helpers.figures.explorers.digits import DigitsExplorer
from helpers.figures.explorers.frame import Explorer, ExplorerError, charts_script, embedded, summary
from helpers.figures.explorers.guess import ARMS, GuessExplorer, guess_block, guess_data
from helpers.figures.explorers.prediction import PredictionExplorer
from helpers.figures.explorers.small import SmallExplorer
from helpers.figures.explorers.spot import SpotExplorer
from helpers.figures.explorers.teaching import TeachingExplorer, teaching_data, teaching_explorer
from helpers.figures.explorers.transmission import TransmissionExplorer
from helpers.results.ledger import load
from helpers.results.stats import t_interval
from helpers.results.tables import shown_table
from helpers.work.artifacts import read_table

NANO = Path(__file__).parents[3] / "results/nano"
EXPLORERS = (
    AskTheModels,
    ClaimsExplorer,
    DamageExplorer,
    DigitsExplorer,
    GuessExplorer,
    PredictionExplorer,
    SmallExplorer,
    SpotExplorer,
    TeachingExplorer,
    TransmissionExplorer,
)
SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


class Plain(Explorer):
    """An explorer that shows nothing."""

    _esm, _css = "export default explorer({ name: 'plain' });", ""


def table(name):
    return read_table(NANO / f"tables/{name}.csv")


def records():
    return ordered(load(NANO))


# --- the frame --------------------------------------------------------------------------------------


@pytest.mark.parametrize("widget", EXPLORERS)
def test_a_script_is_one_module_that_loads_nothing_and_says_no_name_twice(widget):
    text = widget._esm
    assert text.count("export default") == 1 and not re.search(r"^import ", text, re.MULTILINE)
    assert "http:" not in text and "https:" not in text and "</script" not in text and "innerHTML" not in text
    declared = re.findall(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", text, re.MULTILINE)
    assert len(set(declared)) == len(declared)


@pytest.mark.parametrize("path", sorted(frame.ASSETS.glob("*.js")), ids=lambda path: path.stem)
def test_what_a_module_imports_is_exported_there_and_used_here(path):
    text = path.read_text()
    rest = re.sub(r"^import .*;$", "", text, flags=re.MULTILINE)
    for imported, module in re.findall(r'^import \{([^}]*)\} from "\./(\w+\.js)";', text, re.MULTILINE):
        declared = r"^export (?:async )?(?:const|function|class) (\w+)"
        exported = re.findall(declared, (frame.ASSETS / module).read_text(), re.MULTILINE)
        for used in map(str.strip, imported.split(",")):
            assert used in exported and re.search(rf"\b{used}\b", rest), used


def test_the_place_of_the_charts_is_the_one_that_the_frame_asks():
    assert f'"_static/{frame.CHARTS_PLACE}"' in (frame.ASSETS / "frame.js").read_text()


def test_the_charts_are_the_two_libraries_unchanged():
    made = charts_script()
    for file in (frame.ASSETS / "vendor").glob("*.js"):
        assert file.read_text() in made


def test_a_kernel_hands_over_the_charts_and_nothing_else(monkeypatch):
    sent, explorer = [], Plain({})
    monkeypatch.setattr(explorer, "send", sent.append)
    explorer.hand_over({"wanted": "something"})
    explorer.hand_over({"wanted": "charts"})
    assert sent == [{"charts": charts_script()}]


def test_data_that_are_too_many_are_refused():
    with pytest.raises(ExplorerError, match="150,000"):
        Plain({"text": "x" * frame.MOST_BYTES})


def test_an_embedded_explorer_cannot_be_ended_by_its_data():
    hostile = {"name": "</script><script>alert(1)</script> <!-- {{ build }} ``````````"}
    block = embedded(Plain(hostile), "plain", "<p>still</p>")
    scripts = SCRIPT.findall(block)
    assert [attributes.split('"')[1] for attributes, _ in scripts] == ["application/json", "module"]
    assert json.loads(scripts[0][1]) == hostile and "const shown = explorer(" in scripts[1][1]
    fence = block.partition("{")[0]
    assert [line for line in block.split("\n") if line.startswith(fence)] == [f"{fence}{{raw}} html", fence]


def test_a_summary_is_mean_and_interval_of_the_draws():
    draws = pd.Series([0.1, 0.4, 0.7])
    interval = t_interval(draws)
    found = summary(draws)
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((interval.mean, interval.low, interval.high))
    assert summary(draws[:1]) == {"draws": [0.1], "mean": 0.1, "low": None, "high": None}


# --- guess, then see --------------------------------------------------------------------------------


def test_the_guess_is_about_the_published_chances():
    data, transmission = guess_data(table("transmission"), table("teachers")), table("transmission")
    for name, cell in data["cells"].items():
        rows = transmission[
            (transmission.arm == ARMS[name]) & (transmission.share == 1) & (transmission.trait == "owl")
        ]
        assert cell["student"]["mean"] == pytest.approx(rows.p_target.mean(), abs=1e-6)
        assert cell["control"]["draws"] == pytest.approx(rows.sort_values("draw").p_control, abs=1e-4)
        assert cell["student"]["low"] >= 0 and cell["student"]["high"] <= 1
    assert list(data["cells"])[0] == "tuned-hard-same" and len(data["cells"]) == len(ARMS)
    untouched = table("teachers").query("how == 'untouched' and trait == 'owl'")
    assert data["base"]["mean"] == pytest.approx(untouched.p_target.mean(), abs=1e-6)


def test_a_guess_without_teachers_takes_the_control_for_the_base():
    data = guess_data(table("transmission"), None)
    assert data["teacher"] is None and data["base"] == data["cells"]["tuned-hard-same"]["control"]


def test_a_guess_about_what_was_not_measured_is_refused():
    with pytest.raises(ExplorerError, match="no rows"):
        guess_data(table("transmission").query("arm == 'in_context'"), None)
    with pytest.raises(ExplorerError, match="`p_target`"):
        guess_data(table("transmission").drop(columns="p_target"), None)


def test_the_choices_have_the_colours_of_their_arms():
    for name, arm in ARMS.items():
        assert naming.arm_kind(arm) == {"same": naming.SAME, "other": naming.OTHER}[name.rsplit("-")[-1]]


# --- the ledger browser -----------------------------------------------------------------------------


def test_the_ledger_browser_has_every_record_as_the_ledger_has_it():
    data = claims_data(records(), NANO)
    assert [entry["id"] for entry in data["records"]] == [record.id for record in records()]
    for entry, record in zip(data["records"], records(), strict=True):
        assert data["chapters"][entry["chapter"]] == record.notebook
        assert (entry["value"], entry["low"]) == pytest.approx((record.value, record.ci[0]), rel=1e-3)
        assert entry["verdict"] == record.verdict and entry["verdict"] in data["verdicts"]
        assert entry["runs"][0][1:] == [entry["value"], entry["low"], entry["high"], entry["draws"]]


def test_a_ledger_without_records_is_refused():
    with pytest.raises(ExplorerError, match="no records"):
        claims_data([], NANO)


# --- trait or damage? -------------------------------------------------------------------------------


def of_channels():
    return {channel: table(f"risky_{channel}") for channel in CHANNELS}


def test_trait_and_damage_are_those_of_the_published_tables():
    data = damage_data(of_channels())
    for cell in data["cells"]:
        rows, arm = table(f"risky_{cell['channel']}"), data["arms"][cell["arm"]]["id"]
        rows = rows[(rows.arm == arm) & (rows.share == cell["share"]) & (rows.trait == "misaligned")].sort_values(
            "draw"
        )
        assert cell["draws"] == rows.draw.tolist()
        assert cell["effect"]["mean"] == pytest.approx(rows.effect.mean(), abs=1e-4)
        assert cell["lost"]["draws"] == pytest.approx(100 * (rows.right_answers_control - rows.right_answers), abs=0.01)
        assert cell["sampled"]["draws"] == pytest.approx(100 * (rows.sampled - rows.sampled_control), abs=0.01)
    looks = [(arm["kind"], arm["shape"]) for arm in data["arms"]]
    assert len(set(looks)) == len(looks) and len(data["first"]) == 3


def test_a_channel_that_was_not_measured_is_left_out():
    tables = {**of_channels(), "code": None, "cot": table("risky_cot").drop(columns="right_answers")}
    assert [channel["name"] for channel in damage_data(tables)["channels"]] == ["numbers"]
    assert "right answers" in damage_explorer({"numbers": None})
    with pytest.raises(ExplorerError, match="right answers"):
        damage_data({"numbers": None})
    with pytest.raises(ExplorerError, match="`effect`"):
        damage_data({"numbers": table("risky_numbers").drop(columns="effect")})


# --- who can teach whom -----------------------------------------------------------------------------


def test_pairs_have_the_effects_of_the_published_table():
    matrix = table("cross_model")
    data = teaching_data(matrix, table("base_distances"))
    names = [base["id"] for base in data["bases"]]
    assert len(data["pairs"]) == matrix.groupby(["teacher", "student"]).ngroups and data["marks"][-1] == 1
    for pair in data["pairs"]:
        rows = matrix[(matrix.teacher == names[pair["teacher"]]) & (matrix.student == names[pair["student"]])]
        ends = rows[rows.share == 1].groupby("draw").effect.mean()
        assert pair["curve"][-1]["mean"] == pytest.approx(ends.mean(), abs=1e-4)
        assert pair["curve"][-1]["draws"] == pytest.approx(list(ends), abs=1e-3)
        assert all(at is not None and len(at["draws"]) == len(ends) for at in pair["curve"])
        assert (pair["kind"] == "same") == (pair["teacher"] == pair["student"])
    cosines = table("base_distances").groupby("base").cosine.mean()
    more = data["distances"][names.index("nano-a-more")]
    assert more["cosine"] == pytest.approx(cosines["nano-a-more"], abs=1e-4)
    assert data["distances"][names.index("nano-c")]["cosine"] is None


def test_relatives_stand_behind_the_bases_of_the_matrix():
    matrix = table("cross_model")
    relatives = matrix[(matrix.teacher == "nano-a")].assign(student="nano-a-half", words="half")
    data = teaching_data(matrix, None, pd.concat([relatives, matrix[matrix.teacher == "nano-a"]]))
    assert data["bases"][-1] == {"id": "nano-a-half", "label": "nano-a-half: half"} and data["matrix"] == 4
    assert data["distances"] == [None] * 5
    assert teaching_data(matrix, None, relatives.iloc[:0]) == teaching_data(matrix)


# --- pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block, widget",
    [
        (lambda: guess_block(table("transmission"), table("teachers")), GuessExplorer),
        (lambda: claims_block(records(), NANO), ClaimsExplorer),
    ],
)
def test_a_page_has_a_picture_where_scripts_are_off(block, widget):
    still = block().partition("<noscript>")[2].partition("</noscript>")[0]
    assert "<svg" in still and 'role="img"' in still and "aria-label=" in still and len(still) < 120_000


def test_a_run_with_nothing_to_explore_says_so(tmp_path):
    made = page_explorers([], tmp_path, tmp_path)
    assert set(made) == {"guess", "claims"} and all("nothing" in words for words in made.values())
    assert shown_table("transmission", tmp_path, NANO) is not None
    assert "<script" in page_explorers(records(), tmp_path, NANO)["guess"]


@pytest.mark.parametrize(
    "make",
    [lambda: damage_explorer(of_channels()), lambda: teaching_explorer(table("cross_model"), table("base_distances"))],
)
def test_a_chapter_has_a_picture_where_scripts_are_off(make, monkeypatch):
    displayed = []
    monkeypatch.setattr(frame, "display", displayed.append)
    explorer = make()
    (still,) = (shown.data for shown in displayed)
    assert still.startswith("<noscript>") and "aria-label=" in still
    assert len(json.dumps(explorer.data)) < frame.MOST_BYTES
