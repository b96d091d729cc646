"""A kept table is on disk under its name and carries its time; doses that correspond get one name."""

import pandas as pd
import pytest

from helpers.results.tables import NAMED, common_doses, made_from, names_of, shown_table, unit_of
from helpers.work.artifacts import ArtifactError, read_table, write_table
from helpers.work.tables import keep_table


def test_a_kept_table_is_returned_with_its_time_and_read_back_without(tmp_path):
    table = pd.DataFrame({"draw": [0, 1], "effect": [0.1, 1 / 3]})
    kept = keep_table(tmp_path, "effects", table, 2.5)
    assert kept is table and kept.attrs == {"seconds": 2.5}
    again = read_table(tmp_path / "tables" / "effects.csv")
    assert again.equals(table) and not again.attrs


def test_a_table_kept_again_replaces_the_first(tmp_path):
    for value in (1, 2):
        keep_table(str(tmp_path), "effects", pd.DataFrame({"effect": [value]}), 0.0)
    assert read_table(tmp_path / "tables" / "effects.csv").effect.tolist() == [2]


def test_a_run_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ArtifactError, match="is not a folder this user may write to"):
        keep_table(tmp_path / "run", "effects", pd.DataFrame({"effect": [1]}), 0.0)


def test_doses_of_the_same_place_in_their_draws_get_their_rounded_mean():
    table = pd.DataFrame({"draw": [0, 0, 1, 1], "step": [10, 21, 24, 13]}, index=[7, 5, 3, 1])
    doses = common_doses(table, "step")
    assert doses.to_dict() == {7: 12, 5: 22, 3: 22, 1: 12}  # halves go to the even number
    assert doses.dtype == int and table.step.tolist() == [10, 21, 24, 13]


def test_every_arm_has_doses_of_its_own():
    table = pd.DataFrame({"arm": list("aabb"), "draw": [0, 1, 0, 1], "rows": [100, 104, 30, 40]})
    assert common_doses(table, "rows", ["arm"]).tolist() == [102, 102, 35, 35]


def test_doses_equal_in_all_draws_stay_as_they_are():
    table = pd.DataFrame({"draw": [0, 0, 1, 1], "rows": [8, 64, 8, 64]})
    assert common_doses(table, "rows").tolist() == [8, 64, 8, 64]


def test_teachers_of_one_draw_have_doses_of_their_own_and_are_the_units_where_there_is_one_draw():
    table = pd.DataFrame({"draw": [1] * 4, "seed": [5, 5, 6, 6], "step": [10, 20, 12, 24]})
    assert common_doses(table, "step").tolist() == [11, 22, 11, 22]
    assert unit_of(table) == "seed" and unit_of(table.assign(draw=table.seed)) == "draw"


def test_own_rows_replace_the_published_ones_of_the_same_draw(tmp_path):
    for folder, value in ((tmp_path / "results/toy", 0.1), (tmp_path / "_runs/toy", 0.9)):
        (folder / "tables").mkdir(parents=True)
        draws = (1, 2) if value < 0.5 else (2,)
        rows = "\n".join(f"{draw},solved,{value}" for draw in draws)
        (folder / "tables/health.csv").write_text(f"draw,measure,value\n{rows}\n")
    published = tmp_path / "results/toy"
    table = shown_table("health", tmp_path / "_runs/toy", published)
    assert sorted(zip(table["draw"], table["value"], strict=True)) == [(1, 0.1), (2, 0.9)]
    assert list(shown_table("health", tmp_path / "_runs/other", published)["draw"]) == [1, 2]
    assert shown_table("other", tmp_path / "_runs/toy", published) is None


def test_a_table_knows_those_it_was_made_from():
    first, second, plain = (pd.DataFrame({"draw": [1]}) for _ in range(3))
    first.attrs[NAMED], second.attrs[NAMED] = "first", ("second", "first")
    made = made_from(pd.DataFrame({"effect": [1.0]}), first, None, second, plain)
    assert names_of(made) == ("first", "second") and names_of(plain) == ()
    assert names_of(made.assign(p=1)[["p"]]) == ("first", "second")


def test_a_shown_table_has_its_name(tmp_path):
    write_table(tmp_path / "tables/t.csv", pd.DataFrame({"draw": [1]}))
    assert names_of(shown_table("t", tmp_path, tmp_path / "none")) == ("t",)
    assert names_of(shown_table("t", tmp_path, tmp_path)) == ("t",)
    assert shown_table("u", tmp_path, tmp_path) is None
