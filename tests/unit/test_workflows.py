"""What continuous integration runs exists, is pinned, and covers all draws; the repository's address is one."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers import cli
from helpers.book.colab_cell import CELL

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPTS = [ROOT / ".ci/run", ROOT / ".ci/colab", ROOT / ".ci/colab-image"]
PINNED = re.compile(r"^[\w-]+/[\w-]+(/[\w-]+)?@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def jobs(path):
    """The jobs of a workflow by name."""
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path):
    """All steps of a workflow."""
    return [step for job in jobs(path).values() for step in job["steps"]]


def lines_run(path):
    """The lines of shell that a workflow or script runs."""
    if path.suffix == ".yml":
        text = "\n".join(step["run"] for step in steps(path) if "run" in step)
    else:
        text = path.read_text()
    return [line.strip() for line in text.splitlines()]


def named(path):
    """The name of a file in test ids."""
    return path.name


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_actions_are_pinned_by_commit_with_their_tag_beside(path):
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert len(uses) == sum("uses" in step for step in steps(path)) > 0
    assert [line for line in uses if not PINNED.match(line)] == []


def test_an_action_has_one_version_in_all_workflows():
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    pins = {(owner, pin) for owner, pin in re.findall(r"uses: ([\w-]+/[\w-]+)\S*@(.*)", text)}
    assert len({owner for owner, _ in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_jobs_end_by_themselves_and_fail_with_their_commands(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["defaults"]["run"]["shell"] == "bash", "the default shell lets a failing command pass in a pipe"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 180
        for step in job["steps"]:
            assert step.get("timeout-minutes", 0) < job["timeout-minutes"]


@pytest.mark.parametrize("path", [*WORKFLOWS, *SCRIPTS], ids=named)
def test_commands_exist(path):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    variables = re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(), re.M)
    for line in lines_run(path):
        program, *arguments = re.sub(r"\$\{\{.*?\}\}", "701", line).split("|")[0].split() or [""]
        if program == "make":
            assert arguments[0] in targets and {word.partition("=")[0] for word in arguments[1:]} <= set(variables)
        elif program == ".venv/bin/subliminal":
            cli._parser().parse_args(arguments)  # an unknown command or option exits and fails the test
        elif program == "bash":
            assert (ROOT / arguments[0]).is_file()


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_scripts_are_sound_and_may_be_run(path):
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)
    for folder in re.findall(r"tests/unit/\{([\w,]+)\}", path.read_text()):
        assert all((ROOT / "tests/unit" / name).is_dir() for name in folder.split(","))


@pytest.mark.parametrize("name", ["pages.yml", "weekly.yml"])
def test_what_was_finished_is_kept_when_a_job_is_stopped(name):
    restored, saved = (
        [step for step in steps(ROOT / ".github/workflows" / name) if what in step.get("uses", "")]
        for what in ("cache/restore@", "cache/save@")
    )
    assert restored[0]["with"]["key"] == saved[0]["with"]["key"] and saved[0]["if"] == "always()"
    assert "run_attempt" in saved[0]["with"]["key"], "a key that exists is never saved again"
    assert saved[0]["with"]["key"].startswith(restored[0]["with"]["restore-keys"])
    assert "actions/cache@" not in (ROOT / ".github/workflows" / name).read_text()


def test_every_supported_python_is_tested():
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    tested = jobs(ROOT / ".github/workflows/tests.yml")["tests"]["strategy"]["matrix"]["python"]
    assert tested == [oldest, "3.12", "3.13"]


def test_the_weekly_run_computes_every_published_draw_once():
    slices = jobs(ROOT / ".github/workflows/weekly.yml")["recompute"]["strategy"]["matrix"]["draws"]
    computed = [int(seed) for part in slices for seed in part.split(",")]
    parameters = json.loads((ROOT / "results/nano/parameters.json").read_text()).values()
    assert sorted(computed) == sorted({draw for known in parameters for draw in known["draws"]})


def test_the_weekly_run_takes_every_notebook_through_colabs_own_image():
    lines = lines_run(ROOT / ".github/workflows/weekly.yml")
    assert any(line.startswith("docker run") and line.endswith("bash /book/.ci/colab-image") for line in lines)
    assert "COLAB_NOTEBOOKS=all" in (ROOT / ".ci/colab-image").read_text()


def test_the_container_for_development_makes_what_make_needs():
    made = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert made["postCreateCommand"].split()[0] == "make" and made["hostRequirements"]["cpus"] >= 2


def test_the_weekly_run_plants_the_faults():
    assert "make faults" in lines_run(ROOT / ".github/workflows/weekly.yml")


def test_the_address_of_the_repository_is_that_of_pyproject():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert config["repository"]["url"] == citation["repository-code"] == ADDRESS
    assert re.findall(r'source = "(.*)"', CELL) == [ADDRESS]


def test_the_address_stands_nowhere_else():
    own = ADDRESS.removeprefix("https://github.com/")
    allowed = {"pyproject.toml", "_config.yml", "CITATION.cff", "src/helpers/book/colab_cell.py"}
    allowed.add("README.md")  # its links are written by colab_cell.py and held by its test
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository")
    holding = set()
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".yml", ".yaml", ".toml", ".cff", ".ipynb", ".txt") and path.is_file():
            holding |= {name} if own in path.read_text(encoding="utf-8") else set()
    assert {name for name in holding if not name.startswith("notebooks/")} == allowed


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])


def test_metadata_for_archives_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    archived = json.loads((ROOT / ".zenodo.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pages = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["html_baseurl"]
    assert project["urls"]["Documentation"] == citation["url"] == pages
    assert pages in {related["identifier"] for related in archived["related_identifiers"]}
    assert (archived["title"], archived["license"]) == (citation["title"], citation["license"])
