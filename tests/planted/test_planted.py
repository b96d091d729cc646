"""Planted faults stay armed: each still has its place in the code and its test. `make faults` plants them."""

import ast
import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def _module():
    """Return the runner, which is a script and no part of a package."""
    spec = importlib.util.spec_from_file_location("planted_faults", HERE / "plant.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


plant = _module()
FAULTS = plant.load_faults()


def named(fault):
    """Return the name of a fault in test ids."""
    return fault.name


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_has_its_place_and_is_a_program(fault):
    texts = {}
    for edit in fault.edits:
        assert edit.right != edit.wrong and edit.file.startswith("src/helpers/")
        text = texts.get(edit.file) or (ROOT / edit.file).read_text(encoding="utf-8")
        texts[edit.file] = edit.made_in(text)
    for file, text in texts.items():
        if file.endswith(".py"):  # scripts of the pages are read by their own tests
            ast.parse(text)


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_the_test_of_a_fault_exists(fault):
    path, _, name = fault.test.partition("::")
    assert name in functions_of(path), "name a test of a module, with all its parameters"


@functools.cache  # many faults are noticed by tests of one file
def functions_of(path):
    """Return the names of a module's functions."""
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_faults_have_names_of_their_own_and_say_why_they_matter():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) > 50
    assert all(fault.why[0].isupper() and fault.why.endswith(".") for fault in FAULTS)


def test_a_text_that_stands_twice_or_nowhere_is_refused():
    edit = plant.Edit(file="a.py", right="x = 1", wrong="x = 2")
    assert edit.made_in("x = 1\n") == "x = 2\n"
    for text in ("", "x = 1\nx = 1\n"):
        with pytest.raises(ValueError, match="a.py holds 'x = 1' . times"):
            edit.made_in(text)


def test_faults_are_chosen_by_their_file_or_by_a_word_of_their_name():
    fault = plant.Fault(name="the best is chosen", why="It is.", edits=(), test="", file="defences")
    assert all(fault.is_meant(words) for words in ([], ["defences"], ["best"], ["nothing", "chosen"]))
    assert not fault.is_meant(["defence"]) and not fault.is_meant(["detection", "worst"])


# --- the runner, on a repository of two lines -------------------------------------------------------

PACKAGE = "TWO = 1 + 1\n"
TESTS = """\
import os, pathlib, pytest
from helpers import sums

def test_two():
    assert sums.TWO == 2

def test_blind():
    assert sums.TWO

def test_wrong():
    assert sums.TWO == 3

@pytest.fixture
def three():
    return 6 // (sums.TWO - 1)

def test_three(three):
    assert three
"""
CASES = [
    ("noticed", "1 + 1", "1 + 2", "two", 0, "1 of 1 planted faults were noticed"),
    ("blind", "1 + 1", "1 + 2", "blind", 1, "NOT NOTICED: the test passes with the fault"),
    ("broken", "1 + 1", "1 + one", "two", 1, "NOT NOTICED: the test ends otherwise"),
    ("error", "1 + 1", "1 + 0", "three", 1, "ZeroDivisionError in its setup"),
    ("failing", "1 + 1", "1 + 2", "wrong", 1, "These tests do not pass without a fault"),
    ("absent", "1 + 1", "1 + 2", "nothing", 1, "These tests do not pass without a fault"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "test", "code", "said"), CASES, ids=[case[0] for case in CASES])
def test_only_a_test_that_fails_by_an_assertion_has_noticed(tmp_path, name, right, wrong, test, code, said):
    for file, text in {
        "src/helpers/__init__.py": "",
        "src/helpers/sums.py": PACKAGE,
        "tests/test_sums.py": TESTS,
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\ntimeout = 60\n",
    }.items():
        (tmp_path / "root" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / file).write_text(text)
    edits = [{"file": "src/helpers/sums.py", "right": right, "wrong": wrong}]
    fault = {"name": name, "why": "It is.", "edits": edits, "test": f"tests/test_sums.py::test_{test}"}
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/sums.yaml").write_text(yaml.safe_dump([fault]))
    command = [sys.executable, HERE / "plant.py", "--root", tmp_path / "root", "--faults", tmp_path / "faults"]
    done = subprocess.run([*command, "--libraries", "pytest"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr
    assert (tmp_path / "root/src/helpers/sums.py").read_text() == PACKAGE
