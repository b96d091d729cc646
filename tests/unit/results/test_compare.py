"""Rows computed here against published ones: equal within a tolerance, or a new draw inside its prediction interval."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from helpers.results import compare, tables
from helpers.results.compare import Comparison, compare_chapter, compare_table
from helpers.results.published import with_other_bases
from helpers.results.tables import Kind, table_kinds
from helpers.work.artifacts import write_json, write_table
from helpers.work.seeds import numpy_stream

KIND = Kind("effects", "01_a", ("arm", "share"))
DRAWS = range(701, 709)


def table(draws=DRAWS):
    rng = numpy_stream(1, "effects")
    rows = [
        {"draw": draw, "arm": arm, "share": share, "rows": 100, "effect": rng.normal(2.0), "found": True}
        for draw in draws for arm in "ab" for share in (0.5, 1.0)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def compared(here, there=None, own_bases=(), kind=KIND):
    found = Comparison(kind.chapter)
    compare_table(kind, here, table() if there is None else there, own_bases, found)
    return found


def one(draw=705):
    there = table()
    return there[there.draw == draw].reset_index(drop=True)


def test_equal_rows_agree_in_any_order():
    found = compared(one().iloc[::-1])
    assert (found.values, found.agree, found.largest, found.unlike) == (4 * 3, 12, 0.0, [])
    assert found.draws == (705,) and found.new_values == 0


def test_a_small_difference_is_measured_and_agrees():
    here = one()
    here.loc[2, "effect"] += 9e-4
    found = compared(here)
    assert found.agree == found.values and found.largest == pytest.approx(9e-4)


def test_a_planted_difference_is_named_with_both_values():
    here = one()
    here.loc[3, "effect"] = 7.0
    found = compared(here)
    published = one().loc[3, "effect"]
    assert [str(value) for value in found.unlike] == [
        f"effects, draw 705, arm b, share 1.0, effect: 7.0 here, {published} published"
    ]
    assert found.agree == found.values - 1


@pytest.mark.parametrize(("column", "value"), [("found", False), ("effect", np.nan), ("rows", 101)])
def test_words_gaps_and_counts_are_compared_too(column, value):
    here = one().astype({"rows": float})
    here.loc[0, column] = value
    assert [value.column for value in compared(here).unlike] == [column]


def test_gaps_on_both_sides_agree():
    there = table().assign(effect=np.nan)
    here = there[there.draw == 705]
    assert compared(here, there).unlike == []


def test_rows_and_columns_of_one_side_alone_are_named():
    absent = compared(one().drop(index=1)).unlike
    assert list(map(str, absent)) == ["effects, draw 705, arm a, share 1.0, the row: no row here, published"]
    more = pd.concat([one(), one().iloc[[0]].assign(arm="c")])
    assert "arm c, share 0.5, the row: a row here, not published" in str(compared(more).unlike[0])
    assert "p_any: a column here, not published" in str(compared(one().assign(p_any=1.0)).unlike[0])
    assert "effect: absent here, published" in str(compared(one().drop(columns="effect")).unlike[0])


def test_rows_that_share_their_names_keep_their_order():
    there = pd.concat([table(), table().assign(effect=lambda rows: rows.effect + 1)], ignore_index=True)
    here = there[there.draw == 705].reset_index(drop=True)
    assert compared(here, there).unlike == []
    here.loc[5, "effect"] = 9.0
    assert "arm a, share 1.0, row 2 of these, effect: 9.0 here" in str(compared(here, there).unlike[0])


def test_a_tolerance_may_be_a_share_of_the_value():
    there, here = table(), one()
    here.effect *= 1.005
    wide = Kind("effects", "01_a", ("arm", "share"), tolerance=0.0, relative=0.01)
    assert compared(here, there, kind=wide).unlike == []
    assert len(compared(here, there, kind=Kind("effects", "01_a", ("arm", "share"), 0.0)).unlike) == 4


def test_other_bases_make_a_new_draw_that_never_disagrees():
    here = one()
    here.effect = [2.0, 2.0, 2.0, 50.0]
    found = compared(here, own_bases=[705])
    assert found.values == 0 and found.unlike == [] and found.draws == (705,)
    assert found.new_values == 8 and found.inside == 7  # rows read, and effects
    assert "draw 705, arm b, share 1.0, effect: 50 here" in str(found.outside[0])


def test_a_seed_nobody_published_is_a_new_draw_without_any_base():
    kind = Kind("effects", "06_a", ("arm", "share"), bases=False)
    found = compared(one().assign(draw=900), kind=kind)
    assert found.values == 0 and found.new_values == 8
    assert compared(one(), own_bases=[705], kind=kind).values == 12  # needs no base, so nothing is new


def test_rows_of_some_kind_may_hang_on_bases_alone():
    kind = Kind("effects", "07_a", ("arm", "share"), bases={"arm": ["b"]})
    found = compared(one(), own_bases=[705], kind=kind)
    assert found.values == 6 and found.unlike == [] and found.new_values == 4


def test_the_interval_holds_a_new_draw_as_often_as_it_says():
    places = itertools.product(range(9), range(500))
    rows = pd.DataFrame(places, columns=["draw", "unit"])
    rows["effect"] = numpy_stream(2, "prediction").normal(3.0, 2.0, size=len(rows))
    new, there = rows[rows["draw"] == 8], rows[rows["draw"] < 8]
    found = compared(new, there, kind=Kind("effects", "01_a", ("unit",), tolerance=0.0))
    assert found.inside / 500 == pytest.approx(0.95, abs=0.03)


def test_the_interval_is_that_of_the_textbooks():
    there = pd.DataFrame({"draw": range(4), "effect": [1.0, 2.0, 3.0, 6.0]})
    half = 3.182446 * there.effect.std() * (1 + 1 / 4) ** 0.5  # 97.5 % point of t with 3 degrees of freedom
    assert scipy_stats.t.ppf(0.975, 3) == pytest.approx(3.182446)
    kind = Kind("effects", "01_a", tolerance=0.0)
    for value, inside in ((3 + 0.99 * half, 1), (3 + 1.01 * half, 0), (3 - 1.01 * half, 0)):
        assert compared(pd.DataFrame({"draw": [9], "effect": [value]}), there, kind=kind).inside == inside


def test_two_published_draws_expect_nothing():
    assert compared(one(), table([701, 702]), own_bases=[705]).new_values == 0


def test_seeds_of_one_draw_are_no_repetitions():
    kind = Kind("matrix", "05_a", ("seed", "arm"))
    there = pd.DataFrame({"draw": [1, 1, 2, 2, 3, 3], "seed": range(6), "arm": "a", "effect": [0, 2, 1, 1, 3, -1.0]})
    here = pd.DataFrame({"draw": [1], "seed": [0], "arm": "a", "effect": [1.0]})
    found = compared(here, there, own_bases=[1], kind=kind)
    assert found.new_values == 1 and found.inside == 1  # every draw's mean is 1


def seal(folder, where, seals):
    write_json(folder / where / "bases/seals.json", seals)


@pytest.mark.parametrize(("own", "published", "others"), [
    ({}, {}, {1, 2}),  # nothing published, so the bases were trained here
    ({}, {"a.1": "x", "b.1": "y", "a.2": "z"}, set()),
    ({"a.1": "x"}, {"a.1": "x", "a.2": "z"}, set()),
    ({"a.1": "X"}, {"a.1": "x", "a.2": "z"}, {1}),
    ({"a.1": "x", "c.1": "w"}, {"a.1": "x"}, {2}),  # a relative that nobody publishes
    ({"a.11": "w"}, {"a.1": "x", "a.2": "z"}, set()),
])  # fmt: skip
def test_bases_are_the_published_ones_by_their_seals(tmp_path, own, published, others):
    seal(tmp_path, "run", own)
    seal(tmp_path, "published", published)
    assert with_other_bases(tmp_path / "run", tmp_path / "published", [1, 2]) == others


def test_a_chapter_compares_its_tables_and_only_what_the_run_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "table_kinds", lambda: {"effects": KIND})
    monkeypatch.setattr(compare, "table_kinds", lambda: {"effects": KIND})
    write_table(tmp_path / "published/tables/effects.csv", table())
    old = one(701).assign(effect=9.0)  # of an earlier choice of draws
    write_table(tmp_path / "run/tables/effects.csv", pd.concat([old, one()]))
    seal(tmp_path, "published", {"a.705": "x"})
    found = compare_chapter("01_a", tmp_path / "run", tmp_path / "published", [705])
    assert found.draws == (705,) and found.unlike == []
    assert compare_chapter("01_a", tmp_path / "run", tmp_path / "published", []).values == 0
    assert compare_chapter("02_b", tmp_path / "run", tmp_path / "published", None).values == 0


# --- what is known of the published tables -------------------------------------------------------


@pytest.mark.parametrize("name", table_kinds())
def test_every_published_table_agrees_with_itself_and_its_draws_fit_in(name):
    kind = table_kinds()[name]
    if kind.columns != ("draw",):
        pytest.skip("the published run does not have it yet")
    there = compare.read_table(f"results/nano/tables/{name}.csv")
    draw = there.draw.iloc[0]
    here = there[there.draw == draw]
    found = compared(here, there, kind=kind)
    assert (found.values > 0) == (kind.retrained is not True) and found.unlike == [] and found.largest == 0.0
    as_new = compared(here, there, own_bases=[draw], kind=kind)
    assert as_new.inside >= 0.8 * as_new.new_values


def test_every_published_table_is_known():
    there = {file.stem for file in tables.Path("results/nano/tables").glob("*.csv")}
    assert there == {kind.name for kind in table_kinds().values() if kind.columns == ("draw",)}


@pytest.mark.parametrize(("retrained", "same"), [(True, 0), ({"arm": ["b"]}, 2 * 3), (False, 4 * 3)])
def test_rows_of_models_that_everybody_trains_are_new_wherever_they_are_made(retrained, same):
    kind = Kind("effects", "01_a", ("arm", "share"), retrained=retrained)
    found = compared(one(), kind=kind)
    assert (found.values, found.unlike) == (same, [])
    assert found.new_values == (4 * 3 - same) / 3 * 2  # rows and effect; whether something was found is no number


def test_rows_with_a_tolerance_of_their_own_are_held_to_that():
    kind = Kind("effects", "01_a", ("arm", "share"), loose={"arm": {"b": 0.2}})
    there = pd.DataFrame({"draw": 1, "arm": ["a", "b", "b"], "share": [1.0, 0.5, 1.0], "effect": [1.0, 1.0, 1.0]})
    found = compared(there.assign(effect=[1.1, 1.1, 1.3]), there, kind=kind)
    assert [value.row for value in found.unlike] == ["arm a, share 1.0", "arm b, share 1.0"]


def test_a_tolerance_of_its_own_is_no_negative_number():
    with pytest.raises(ValueError, match="tolerances of effects must be 0 or more"):
        Kind("effects", "01_a", ("arm",), loose={"arm": {"b": -0.2}})
