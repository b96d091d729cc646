"""A chapter shows rows computed here beside published ones, or says why it leaves these out."""

import json

import pandas as pd
import pytest
import recording

from helpers.results import ledger, published
from helpers.results.published import PublishedError, open_chapter
from helpers.results.tables import Kind
from helpers.results.words import listed_draws
from helpers.work import artifacts

NOTEBOOK, OWL, CROSS = "01_owl_transfer", "owl.numbers.soft.same_init", "owl.numbers.soft.cross_init"
DRAWS = [701, 702, 703, 704, 705]
PUBLISHED = {draw: float(draw - 700) for draw in DRAWS}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository with the published run `toy` of five draws."""
    monkeypatch.chdir(tmp_path)
    parameters = {"draws": DRAWS, "rows": 10, "marks": [0.5, 1.0]}
    artifacts.write_json("results/toy/parameters.json", {NOTEBOOK: parameters})
    rows = [(draw, arm, value * (1 if arm == "a" else 2)) for arm in "ab" for draw, value in PUBLISHED.items()]
    artifacts.write_table("results/toy/tables/effects.csv", pd.DataFrame(rows, columns=["draw", "arm", "effect"]))
    return tmp_path


def opened(run_dir="_runs/toy", **changes):
    given = {"run_dir": run_dir, "draws": DRAWS, "recompute": [705], "rows": 10, "marks": [0.5, 1.0], "workers": 3}
    return open_chapter(NOTEBOOK, given | changes)


def computed(draws, value=-1.0, seconds=2.5):
    """A run function: two rows a draw, arm by arm."""
    table = pd.DataFrame([(draw, arm, value) for arm in "ab" for draw in draws], columns=["draw", "arm", "effect"])
    table.attrs["seconds"] = seconds
    return table


def test_rows_computed_here_take_the_place_of_the_published_ones(place):
    chapter = opened()
    assert (chapter.draws, chapter.recompute, chapter.differs) == (tuple(DRAWS), (705,), "")
    table = chapter.table("effects", computed, chapter.recompute)
    assert table.draw.tolist() == [draw for draw in DRAWS for _ in "ab"]
    assert table.arm.tolist() == ["a", "b"] * 5
    assert table[table.arm == "a"].effect.tolist() == [1.0, 2.0, 3.0, 4.0, -1.0]
    assert table.attrs["seconds"] == chapter.seconds == 2.5


def test_nothing_is_called_where_nothing_is_recomputed(place):
    table = opened(recompute=[]).table("effects", pytest.fail, "called")
    assert table.draw.nunique() == 5 and table.attrs["seconds"] == 0.0


@pytest.mark.parametrize(("name", "value"), [("rows", 11), ("marks", [1.0]), ("marks", (0.5, 0.9))])
def test_a_parameter_that_differs_leaves_the_published_rows_out(place, name, value):
    chapter = opened(**{name: value}, recompute=[701, 705])
    assert chapter.draws == chapter.recompute == (701, 705)
    assert f"`{name}` is" in chapter.differs and "left out" in chapter.differs
    assert repr(chapter).startswith(chapter.differs) and chapter._repr_markdown_() == repr(chapter)
    assert chapter.table("effects", computed, chapter.recompute).draw.unique().tolist() == [701, 705]


def test_where_and_by_how_many_workers_does_not_differ_and_a_tuple_is_a_list(place):
    assert opened(run_dir="elsewhere/toy", workers=1, marks=(0.5, 1.0)).differs == ""


def test_a_parameter_that_was_renamed_differs(place):
    given = {"run_dir": "_runs/toy", "draws": DRAWS, "recompute": [705], "marks": [0.5, 1.0]}
    assert "`rows` is 'absent', published with 10" in open_chapter(NOTEBOOK, given).differs


def test_other_settings_and_nothing_recomputed_leave_nothing_to_show(place):
    with pytest.raises(PublishedError, match="`rows` is 11, published with 10.*name draws of 701 to 705"):
        opened(rows=11, recompute=[])


def test_a_profile_that_published_nothing_computes_every_draw(place):
    for chapter in (opened("_runs/other", draws=[1, 2]), opened("_runs/other", draws=[1, 2], recompute=[])):
        assert chapter.draws == chapter.recompute == (1, 2)
        assert chapter.table("effects", computed, chapter.recompute).draw.tolist() == [1, 1, 2, 2]


def test_a_new_draw_is_shown_beside_the_published_ones(place):
    chapter = opened(recompute=[709])
    assert chapter.draws == (*DRAWS, 709) and chapter.recompute == (709,)
    assert chapter.table("effects", computed, chapter.recompute).draw.nunique() == 6


def test_draws_turned_by_a_reader_are_computed_where_nobody_published_them(place):
    chapter = opened(draws=[702, 800])  # 705, the default of `recompute`, is published and not asked for
    assert chapter.draws == (702, 800) and chapter.recompute == (800,)


@pytest.mark.parametrize("changes", [{"draws": []}, {"draws": 701}, {"recompute": [1.5]}, {"recompute": None},
                                     {"recompute": [True]}, {"draws": ["701"]}])  # fmt: skip
def test_draws_are_whole_numbers(place, changes):
    with pytest.raises(PublishedError, match=f"`{next(iter(changes))}`"):
        opened(**changes)


def test_every_row_names_a_draw_that_was_asked_for(place):
    chapter = opened()
    with pytest.raises(PublishedError, match="no column `draw`"):
        chapter.table("effects", lambda: pd.DataFrame({"run": [705], "effect": [1.0]}))
    with pytest.raises(PublishedError, match="rows of draw 701, but the draws computed are 705"):
        chapter.table("effects", computed, [701, 705])


def test_columns_that_changed_since_are_named(place):
    with pytest.raises(PublishedError, match=r"other columns than the rows computed here \(p_any\).*DRAWS=all"):
        opened().table("effects", lambda: computed([705]).assign(p_any=1.0))


def test_a_table_that_was_not_published_holds_what_was_computed(place, monkeypatch):
    assert opened().table("new", computed, [705]).draw.tolist() == [705, 705]
    assert opened(recompute=[]).table("new", pytest.fail).empty
    signal = Kind("signal", NOTEBOOK, columns=("draw", "spread", "moved"))
    monkeypatch.setattr(published, "table_kinds", lambda: {"signal": signal})
    known = opened(recompute=[]).table("signal", pytest.fail)  # readers may ask for columns of no rows
    assert known.empty and known[["spread", "moved"]].mean().isna().all()


def test_a_table_without_any_row_is_refused(place):
    artifacts.write_table("results/toy/tables/effects.csv", computed([800]))
    with pytest.raises(PublishedError, match="effects has no row to show.*`recompute`"):
        opened(recompute=[]).table("effects", pytest.fail)


def test_a_table_of_few_draws_may_have_none_of_those_computed_here(place):
    """A run that computes a draw or two at a time stopped here: the published table has other parameters."""
    table = opened(rows=11, recompute=[701]).table("effects", computed, [])
    assert table.empty and list(table) == ["draw", "arm", "effect"]


def test_claims_are_recorded_over_all_draws(place):
    chapter = opened()
    table = chapter.table("effects", computed, chapter.recompute)
    values = {OWL: table[table.arm == "a"].effect.tolist(), "no.claim": [1.0] * 5}
    shown = chapter.record(values, params={"rows": 10, "draws": [705]})
    record = ledger.load("_runs/toy")[0]
    assert shown.index.tolist() == [OWL] and record.seeds == tuple(DRAWS)
    assert record.seconds is None, "nobody noted what the published rows took"
    assert record.value == pytest.approx((1 + 2 + 3 + 4 - 1) / 5)


def test_the_hash_of_the_settings_does_not_depend_on_the_draws(place):
    found = set()
    for draws in ([701], [701, 702]):
        params = {"run_dir": str(place), "draws": draws, "recompute": draws, "workers": len(draws), "rows": 10}
        opened().record({OWL: [1, 2, 3, 4, 5]}, params={"settings": params})
        found.add(ledger.load("_runs/toy")[0].params_sha256)
    assert len(found) == 1


def publish_record(values=(7, 8, 9, 10, 11), claim_id=CROSS):
    given = {"seeds": DRAWS, "params": {}, "seconds": 1.0}
    recording.record("results/toy", NOTEBOOK, claim_id, values, **given)


@pytest.mark.parametrize("values", [{OWL: [1, 2, 3, 4, 5]}, {OWL: [1, 2, 3, 4, 5], CROSS: [0.5]},
                                    {OWL: [1, 2, 3, 4, 5], CROSS: []}])  # fmt: skip
def test_a_claim_on_rows_that_were_never_published_keeps_its_record(place, values):
    publish_record()
    publish_record((0, 0, 0, 0, 0), OWL)
    opened().record(values, params={})
    assert {record.id: record.value for record in ledger.load("_runs/toy")} == {OWL: 3.0, CROSS: 9.0}


def test_a_later_call_does_not_bring_published_records_back(place):
    publish_record((0, 0, 0, 0, 0), OWL)
    publish_record()
    chapter = opened()
    chapter.record({OWL: [1, 2, 3, 4, 5]}, params={})
    chapter.record({CROSS: [1, 1, 1, 1, 2]}, params={})
    assert {record.id: record.value for record in ledger.load("_runs/toy")} == {OWL: 3.0, CROSS: 1.2}


def test_no_record_is_kept_where_the_settings_differ(place):
    publish_record()
    opened(rows=11, recompute=[701, 705]).record({OWL: [1, 2]}, params={})
    assert [record.id for record in ledger.load("_runs/toy")] == [OWL]


def test_a_single_draw_is_shown_and_not_recorded(place):
    shown = opened(rows=11).record({OWL: [1.5]}, params={})
    assert shown.loc[OWL, "value"] == "1.50" and shown.loc[OWL, "95 % interval"] == "needs two draws"
    assert not (place / "_runs/toy/ledger.json").exists()


FEW = [701, 703, 799]


def test_arms_of_few_draws_are_recorded_over_these(place):
    chapter = opened(few_draws=FEW)
    assert chapter.few == (701, 703)
    chapter.record({OWL: [1, 2, 3, 4, 5], CROSS: [1, 2]}, params={})
    assert {entry.id: entry.seeds for entry in ledger.load("_runs/toy")} == {OWL: tuple(DRAWS), CROSS: (701, 703)}


@pytest.mark.parametrize(("few", "runs"), [([701, 705], [1]), ([705], [1]), ([701], []), ([], [])])
def test_few_draws_that_lack_the_published_ones_keep_the_record(place, few, runs):
    publish_record()
    opened(few_draws=few).record({OWL: [1, 2, 3, 4, 5], CROSS: runs}, params={})
    assert {record.id: record.value for record in ledger.load("_runs/toy")} == {OWL: 3.0, CROSS: 9.0}


def test_a_single_one_of_few_draws_has_no_interval_where_nothing_is_published(place):
    chapter = opened("_runs/other", draws=[801, 802], recompute=[801], few_draws=[801])
    shown = chapter.record({OWL: [1, 2], CROSS: [1]}, params={})
    assert [entry.id for entry in ledger.load("_runs/other")] == [OWL]
    assert shown.loc[[OWL, CROSS], "value"].tolist() == ["1.50", "1.00"]
    assert shown.loc[CROSS, "95 % interval"] == "needs two draws" and "1.00 [needs two draws]" in shown._repr_html_()


def test_another_number_of_values_than_draws_is_an_error(place):
    with pytest.raises(ledger.LedgerError, match="one distinct seed per run"):
        opened().record({OWL: [1, 2, 3]}, params={})


@pytest.mark.parametrize(("draws", "words"), [((701,), "701"), ((701, 702), "701, 702"), ((), "none"),
                                              ((1, 2, 3, 5, 7, 8), "1 to 3, 5, 7, 8")])  # fmt: skip
def test_draws_in_words(draws, words):
    assert listed_draws(draws) == words


def test_the_published_tables_of_nano_name_the_draw_of_every_row():
    for file in sorted((published.RESULTS / "nano" / "tables").glob("*.csv")):
        rows = artifacts.read_table(file)
        assert "draw" in rows and not rows["draw"].isna().any(), file
    names = json.loads((published.RESULTS / "nano" / "parameters.json").read_text())
    assert all(parameters["draws"] for parameters in names.values())
