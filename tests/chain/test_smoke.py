"""The real notebooks at toy size, run whole; what becomes of a killed one see in test_colab.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.chain.profiles import load_profile
from helpers.channels import find_channel
from helpers.experiments.defences import values as defences
from helpers.experiments.link import values as link
from helpers.experiments.prediction import values as prediction
from helpers.experiments.small import values as small
from helpers.experiments.small.ways import WAYS
from helpers.results.claims import load_claims
from helpers.results.stats import share_of_means
from helpers.work.artifacts import read_table

pytestmark = pytest.mark.chain
GIVEN = load_profile("smoke").notebooks
STEMS = sorted(GIVEN)
WITHOUT_CLAIMS = {"00_base_models"}
# metrics of claims that have no value where nothing passed at all, as between toys
SHARES = {
    "mean_effect_over_that_on_the_larger_base",
    "mean_off_diagonal_over_mean_diagonal",
    "share_of_effect_at_the_whole_link",
    "share_of_the_effect_left",
    "share_of_the_effect_on_the_same_base",
    "share_of_turn_at_the_whole_link",
}


def records(run_dir: Path) -> list[dict[str, Any]]:
    """The records of the ledger."""
    return json.loads((run_dir / "ledger.json").read_text())


def test_the_smoke_run_finds_its_claims_and_judges_none(smoke_run: Path) -> None:
    """A chapter of two draws records its claims, one of a single draw shows their values."""
    due = {claim.id: claim.metric for claim in load_claims().values() if claim.notebook in STEMS}
    owed_by_none = {claim.id for claim in load_claims().values() if claim.notebook is None}
    recorded = {record["id"]: record["notebook"] for record in records(smoke_run) if record["id"] not in owed_by_none}
    found = ({*recorded} | shown(smoke_run)) - owed_by_none
    assert found <= {*due}
    missing = {*due} - found - not_asked({*due}) - ungrounded({*due}, smoke_run)
    assert {due[name] for name in missing} <= SHARES, missing
    assert {*recorded.values()} == {stem for stem in STEMS if len(GIVEN[stem]["draws"]) > 1} - WITHOUT_CLAIMS
    assert {record["verdict"] for record in records(smoke_run)} <= {"not comparable", "informative"}


def shown(run_dir: Path) -> set[str]:
    """The claims in the tables of values that executed notebooks show."""
    found = set()
    for path in (run_dir / "executed").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if "chapter.record(" in "".join(cell["source"]):
                html = json.dumps(cell["outputs"]).replace("<wbr>", "")
                found |= set(re.findall(r"<code>([\w.]+)</code></th>", html))
    return found


def test_every_figure_of_values_names_the_tables_that_it_shows(smoke_run: Path) -> None:
    """Its caption links to them; a table that was made from others must know these."""
    without = set()
    for file in (smoke_run / "executed").glob("*.ipynb"):
        for cell in json.loads(file.read_text())["cells"]:
            without |= {(file.stem, cell["id"]) for output in cell.get("outputs", []) if shows_no_table(output)}
    assert without == {("06_mnist", "inputs")}, "which are pictures"


def shows_no_table(output: dict[str, Any]) -> bool:
    """Whether an output is a figure that names no table."""
    html = "".join(output.get("data", {}).get("text/html", ""))
    return html.startswith('<div class="picture"') and not output["metadata"]["text/html"]["tables"]


def not_asked(due: set[str]) -> set[str]:
    """The claims that the profile gives too few draws, no channel, no such small model, or no such base."""
    found = set()
    if len(GIVEN["14_prediction"]["draws"]) < prediction.FEWEST:
        found |= {name for name in due if name.startswith(prediction.START)}
    asked = {find_channel(channel).claim_name for channel in GIVEN["11_detection"]["channel_prompts"]}
    persona = "detect.misalignment."
    found |= {name for name in due if name.startswith(persona) and name.split(".")[2] not in asked}
    unmade = {*WAYS} - {*GIVEN["13_small_models"]["ways"]}
    found |= {name for name in due if name.startswith(small.START) and name.split(".")[2] in unmade}
    missing = {name for place, name in link.POINTS.items() if place not in GIVEN["15_link_dial"]["links"]}
    found |= {name for name in due if name.startswith("link.") and name.split(".")[-1] in missing}
    return found


def ungrounded(due: set[str], run_dir: Path) -> set[str]:
    """The claims on a defence that the profile does not run, or whose reference has no effect: toys may write alike."""
    read = {path.stem: read_table(path) for path in (run_dir / "tables").glob("*.csv")}
    risky = {defences.CODE: read["risky_code"], defences.REASONING: read["risky_cot"]}
    table = defences.with_other_chapters(read["defences"], read["mechanism_treatments"], risky)
    grounded = set()
    for channel, start in defences.STARTS.items():
        effects = defences.wide(table, channel)
        for name in effects.columns:
            against = effects.get(defences.BY_NAME[name].against, effects[name])
            if share_of_means(against, against):
                grounded.add(f"defence.{start}{defences.slug(name)}")
    return {name for name in due if name.startswith("defence.")} - grounded


def test_published_notebooks_name_no_path_and_show_no_warnings(smoke_run: Path) -> None:
    for path in (smoke_run / "executed").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert not [output["text"] for output in outputs if output.get("name") == "stderr"], path.name
        assert str(smoke_run) not in json.dumps(outputs) and sys.prefix not in json.dumps(outputs), path.name


def test_no_cell_shows_the_repr_of_a_value(smoke_run: Path) -> None:
    """What a reader sees is a table, a figure or a sentence that was printed."""
    bare = set()
    for path in (smoke_run / "executed").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            shown = [output["data"] for output in cell.get("outputs", []) if output["output_type"] == "execute_result"]
            bare |= {(path.stem, cell["id"]) for data in shown if set(data) == {"text/plain"}}
    assert bare == set()


def test_nothing_unchanged_runs_again(smoke_run: Path, smoke_command: list[str]) -> None:
    root = smoke_run.parents[1]
    done = subprocess.run(smoke_command, cwd=root, capture_output=True, text=True, check=True)
    assert "nothing to run" in done.stdout


@pytest.mark.parametrize(("arguments", "message"), [
    (["run", "--profile", "naan"], "subliminal: there is no profile 'naan'; there are "),
    (["run", "--profile", "smoke", "--only", "99_x"], "subliminal: there is no notebook 99_x in this "),
    (["book", "--profile", "smoke"], "subliminal: not run yet, or changed since: "),
    (["ledger", "--profile", "smoke"], "subliminal: _runs/smoke/ledger.json is missing; `subliminal run` "),
])
def test_a_mistake_ends_in_one_line(
    repository: Path, smoke_command: list[str], arguments: list[str], message: str
) -> None:
    done = subprocess.run([*smoke_command[:3], *arguments], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1 and not (repository / "_runs").exists()


def test_an_unwritable_run_folder_ends_in_one_line(repository: Path, smoke_command: list[str]) -> None:
    (repository / "_runs").symlink_to("/dev/full")
    done = subprocess.run(smoke_command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("subliminal: cannot write _runs/")
    assert done.stderr.count("\n") == 1
