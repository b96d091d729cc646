"""How the code must read: short functions, documented and annotated, no drawers, no hidden randomness."""

import ast
import functools
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
    """Return a path as it is shown."""
    return str(path.relative_to(ROOT))


@functools.cache
def tree(path):
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text())


@functools.cache
def nodes(path):
    """Return all nodes of a file's syntax tree."""
    return list(ast.walk(tree(path)))


def functions(path):
    """Return all functions and methods of a module."""
    return [node for node in nodes(path) if isinstance(node, FUNCTION)]


def public(path):
    """Return the public functions, classes, and methods of public classes of a module."""
    body = tree(path).body
    classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    members = [*body, *(member for node in classes for member in node.body)]
    return [node for node in members
            if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_")]  # fmt: skip


def length(node):
    """Return the lines of a function, signature and docstring included."""
    return node.end_lineno - node.lineno + 1


def offences(find, paths=MODULES):
    """Return by file what a rule finds in it, of the files in which it finds anything."""
    found = {named(path): find(path) for path in paths}
    return {name: what for name, what in found.items() if what}


def test_modules_are_short():
    assert not offences(lambda path: len(path.read_text().splitlines()) > LONGEST_MODULE), "split it by what it knows"


def test_modules_say_what_they_are_and_are_named_by_what_they_know():
    assert not offences(lambda path: not ast.get_docstring(tree(path))), "begin with a docstring"
    assert not [path for path in MODULES if path.name in DRAWERS], "name a module by what it knows"


def test_no_function_is_long():
    assert not offences(lambda path: [node.name for node in functions(path) if length(node) > LONGEST_FUNCTION])


def test_most_functions_are_short():
    lengths = [length(node) for path in MODULES for node in functions(path)]
    assert statistics.median(lengths) <= MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= NINE_IN_TEN


def test_public_names_are_documented():
    assert not offences(lambda path: [node.name for node in public(path) if not ast.get_docstring(node)])


def test_docstrings_begin_with_one_clear_sentence():
    assert not offences(unfinished), "end the first paragraph with a full stop"


def unfinished(path):
    """Return the public names of a module whose docstring does not begin with a sentence."""
    first = {node.name: (ast.get_docstring(node) or ".").split("\n\n")[0].strip() for node in public(path)}
    return [name for name, text in first.items() if not text.endswith((".", ":", "?"))]


def test_signatures_are_annotated():
    assert not offences(bare)


def bare(path):
    """Return the functions of a module with something that is not annotated."""
    missing = []
    for node in functions(path):
        args = node.args
        given = filter(None, [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg])
        open_ones = [a.arg for a in given if a.annotation is None and a.arg not in ("self", "cls")]
        missing += [f"{node.name}({', '.join(open_ones)})"] if open_ones else []
        missing += [f"{node.name} -> ?"] if node.returns is None else []
    return missing


def test_library_code_does_not_print():
    quiet = [path for path in MODULES if path.name not in MAY_PRINT]
    assert not offences(prints, quiet), "return the text instead"


def prints(path):
    """Return the lines of a file that print."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_randomness_comes_from_named_streams():
    paths = [path for path in (*MODULES, *TESTS) if path != Path(__file__)]  # which names the patterns it looks for
    assert not offences(lambda path: GLOBAL_RANDOMNESS.findall(without_comments(path)), suspects(paths))
    elsewhere = suspects(path for path in MODULES if path.name != "seeds.py")
    assert not offences(lambda path: ".manual_seed(" in without_comments(path), elsewhere), "see helpers.work.seeds"


def suspects(paths):
    """Return the files with words that both patterns need, in code or comments: only these are worth a closer look."""
    words = re.compile(r"_seed\(|random\.")
    return [path for path in paths if words.search(path.read_text())]


@functools.cache
def without_comments(path):
    """Return the code of a file without its comments."""
    return ast.unparse(tree(path))


def test_private_functions_are_used():
    assert not offences(unused), "dead code"


def unused(path):
    """Return the private functions and classes of a module that nothing in it uses."""
    text = path.read_text()
    private = [n.name for n in tree(path).body if isinstance(n, FUNCTION | ast.ClassDef) and n.name.startswith("_")]
    return [name for name in private if len(re.findall(rf"\b{name}\b", text)) < 2]


def test_no_work_is_left_as_a_note():
    marks = re.compile(r"#\s*(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    noted = offences(lambda path: marks.search(path.read_text()), [*MODULES, *TESTS])
    assert not noted, "do it, or write it into the book's log"


def test_skips_give_a_reason():
    assert not offences(skips_without_reason, TESTS)


def skips_without_reason(path):
    """Return the lines of a file with a skip that gives no reason."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func).endswith("mark.skipif")]
    return [mark.lineno for mark in marks if not any(k.arg == "reason" for k in mark.keywords)]


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed (pip install -e '.[test]')")
def test_ruff_finds_nothing():
    places = [name for name in ("src", "tests", "notebooks", "benchmarks") if (ROOT / name).exists()]
    done = subprocess.run(["ruff", "check", "--quiet", *places], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
