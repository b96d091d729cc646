"""How the code must read: short functions, documented and annotated, no drawers, no hidden randomness."""

import ast
import re
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/helpers"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_MODULE, LONGEST_FUNCTION, NINE_IN_TEN, MEDIAN = 300, 50, 30, 10
DRAWERS = {"utils.py", "util.py", "common_utils.py", "helpers.py", "misc.py"}
# the command, the report it gives while the chain runs, what the first cell says, and the tool that writes that cell
MAY_PRINT = {"cli.py", "report.py", "hosted.py", "colab_cell.py"}
GLOBAL_RANDOMNESS = re.compile(
    r"(torch|np|numpy)\.manual_seed\(|(np|numpy)\.random\.(seed|rand|randn|randint|choice|normal|shuffle)\("
    r"|\brandom\.(seed|random|choice|choices|shuffle|randint|sample)\(|\bset_seed\("
)


def named(path):
    """Return a path as it is shown in test ids."""
    return str(path.relative_to(ROOT))


def functions(path):
    """Return all functions and methods of a module."""
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, FUNCTION)]


def public(path):
    """Return the public functions, classes, and methods of public classes of a module."""
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    members = [*tree.body, *(member for node in classes for member in node.body)]
    return [node for node in members
            if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_")]  # fmt: skip


def length(node):
    """Return the lines of a function, signature and docstring included."""
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_module_is_short_and_says_what_it_is(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_MODULE, "split it along what its parts know"
    assert ast.get_docstring(ast.parse(text)), "begin with a docstring"
    assert path.name not in DRAWERS, "name a module by what it knows"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_function_is_long(path):
    long = {node.name: length(node) for node in functions(path) if length(node) > LONGEST_FUNCTION}
    assert not long


def test_most_functions_are_short():
    lengths = [length(node) for path in MODULES for node in functions(path)]
    assert statistics.median(lengths) <= MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= NINE_IN_TEN


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_public_names_are_documented(path):
    bare = [node.name for node in public(path) if not ast.get_docstring(node)]
    assert not bare, f"no docstring: {', '.join(bare)}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_docstrings_begin_with_one_clear_sentence(path):
    first = {node.name: (ast.get_docstring(node) or ".").split("\n\n")[0].strip() for node in public(path)}
    unfinished = [name for name, text in first.items() if not text.endswith((".", ":", "?"))]
    assert not unfinished, f"end the first paragraph with a full stop: {', '.join(unfinished)}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_signatures_are_annotated(path):
    missing = []
    for node in functions(path):
        args = node.args
        given = filter(None, [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg])
        open_ones = [a.arg for a in given if a.annotation is None and a.arg not in ("self", "cls")]
        missing += [f"{node.name}({', '.join(open_ones)})"] if open_ones else []
        missing += [f"{node.name} -> ?"] if node.returns is None else []
    assert not missing


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_library_code_does_not_print(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not prints or path.name in MAY_PRINT, f"prints in lines {prints}; return the text instead"


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=named)
def test_randomness_comes_from_named_streams(path):
    if path == Path(__file__):
        pytest.skip("this file names the patterns it looks for")
    code = ast.unparse(ast.parse(path.read_text()))  # without comments
    assert not GLOBAL_RANDOMNESS.findall(code)
    if path.is_relative_to(PACKAGE) and path.name != "seeds.py":
        assert ".manual_seed(" not in code, "take generators from helpers.work.seeds"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_private_functions_are_used(path):
    text = path.read_text()
    tree = ast.parse(text)
    private = [n.name for n in tree.body if isinstance(n, FUNCTION | ast.ClassDef) and n.name.startswith("_")]
    unused = [name for name in private if len(re.findall(rf"\b{name}\b", text)) < 2]
    assert not unused, f"dead code: {', '.join(unused)}"


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=named)
def test_no_work_is_left_as_a_note(path):
    marks = re.compile(r"#\s*(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    assert not marks.search(path.read_text()), "do it, or write it into the book's log"


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_skips_give_a_reason(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func).endswith("mark.skipif")]
    assert all(any(k.arg == "reason" for k in mark.keywords) for mark in marks)


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed (pip install -e '.[test]')")
def test_ruff_finds_nothing():
    places = [name for name in ("src", "tests", "notebooks", "benchmarks") if (ROOT / name).exists()]
    done = subprocess.run(["ruff", "check", "--quiet", *places], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
