"""A kept table is on disk under its name and carries its time."""

import pandas as pd
import pytest

from helpers.artifacts import ArtifactError, read_table
from helpers.tables import keep_table


def test_a_kept_table_is_returned_with_its_time_and_read_back_without(tmp_path):
    table = pd.DataFrame({"run": [0, 1], "effect": [0.1, 1 / 3]})
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
