"""What a notebook of the book may contain; the rules keep each one a page to read, not a workbench."""

import ast
import itertools
import re
import shutil
import statistics
import subprocess
from pathlib import Path

import nbformat
import pytest

from helpers.chain.notebooks import LIVE
from helpers.chain.profiles import load_profile, profile_names
from helpers.results.claims import load_claims

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")

HEADINGS = ["Question", "What the paper found", "Prediction", "Setup", "Run", "Result", "Verdict", "Limits",
            "Try it"]  # fmt: skip
EXERCISED = [path for path in NOTEBOOKS if "01" <= path.stem[:2] <= "09"]  # the book's main chapters
EXERCISE = re.compile(r"^\*\*Exercise (\d)\.\*\*", re.MULTILINE)
REAL = {"real-cpu", "colab-t4", "colab-l4", "a100"}  # profiles of models that were not made for this book
# the answer of the published run, which the book replaces by that of its own
ANSWER = 'from helpers.results.answers import published_answer\n\npublished_answer("{}")'
LONGEST_CELL, NINE_IN_TEN, MEDIAN = 27, 15, 6
WORDS_PER_CODE_LINE, CODE_CELLS_IN_A_ROW, REPEATED_LINES, LONGEST_FUNCTION = 6, 2, 6, 10
METADATA = {"kernelspec", "language_info", "subliminal"}
FORBIDDEN_IMPORTS = set("re os sys pathlib random torch transformers peft matplotlib seaborn".split())
FORBIDDEN_NODES = {ast.For: "a loop", ast.While: "a loop", ast.Try: "try/except", ast.ClassDef: "a class"}
FORBIDDEN_NAMES = {"manual_seed", "seed_everything", "rcParams", "set_style", "backward", "open", "print_exc"}
LOOP_WORDS = re.compile(r"(seed|arm|run|draw)(?!s?\.)", re.IGNORECASE)  # not what a module of that name holds
PATHLIKE = re.compile(r"^[~.\w-]*/[\w./-]*$|\.(csv|json|pt|png|safetensors|ipynb)$")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    """Return a notebook of the tree."""
    return nbformat.read(path, as_version=4)


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def code_cells(path, live=False):
    """Return the code cells of a notebook, by default without those that are the same in all (colab_cell.py)."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    return cells if live else [cell for cell in cells if cell.id not in LIVE]


def nodes(path):
    """Return all syntax nodes of the code of a notebook but the bootstrap cell."""
    return [node for cell in code_cells(path) for node in ast.walk(ast.parse(cell.source))]


def strings(found):
    """Return the string literals among syntax nodes."""
    return [n.value for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def prose(path):
    """Return the Markdown of a notebook as one text."""
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def section(path, heading):
    """Return the Markdown below one of the fixed headings."""
    found = re.search(rf"^## {re.escape(heading)}\s*$(.*?)(?=^## |\Z)", prose(path), re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


# --- the file ---------------------------------------------------------------------------------


@each_notebook
def test_notebook_is_clean(path):
    book = read(path)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata) <= METADATA
    assert not any(cell.outputs or cell.execution_count for cell in code_cells(path, live=True))


@each_notebook
def test_cell_ids_are_readable_names(path):
    ids = [cell.id for cell in read(path).cells]
    assert len(set(ids)) == len(ids)
    unstable = [name for name in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]+)?", name)]
    assert not unstable, f"drawn ids change whenever a tool rewrites the file: {', '.join(unstable)}"


@pytest.mark.skipif(shutil.which("nbstripout") is None, reason="nbstripout is not installed")
def test_nbstripout_would_change_nothing():
    command = ["nbstripout", "--verify", "--keep-id", *map(str, NOTEBOOKS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_file_names_give_the_order():
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem) for path in NOTEBOOKS)
    numbers = [path.stem[:2] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers)


def profiles_of(stem):
    """Return the profiles that run a notebook."""
    return {name for name in profile_names() if stem in load_profile(name).notebooks}


@pytest.mark.parametrize("profile", ["nano", "smoke"])
def test_every_notebook_is_run_and_tested(profile):
    """A notebook that no profile names would lie in the book unexecuted, or not at all."""
    of_nano_models = {path.stem for path in NOTEBOOKS if not profiles_of(path.stem) <= REAL}
    assert set(load_profile(profile).notebooks) == of_nano_models
    assert all(profiles_of(path.stem) for path in NOTEBOOKS)


@each_notebook
def test_needs_name_earlier_notebooks(path):
    needs = read(path).metadata.get("subliminal", {}).get("needs", [])
    assert all(need < path.stem and (path.parent / f"{need}.ipynb").exists() for need in needs)


# --- its parts --------------------------------------------------------------------------------


@each_notebook
def test_headings_are_the_fixed_ones(path):
    text = re.sub(r"```.*?```", "", prose(path), flags=re.DOTALL)
    assert re.findall(r"^## (.+?)\s*$", text, re.MULTILINE) == HEADINGS
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1 and text.lstrip().startswith("# ")
    assert all(section(path, heading).strip() for heading in HEADINGS), "each heading needs its words"


@each_notebook
def test_first_cells_are_title_bootstrap_answer_imports_and_parameters(path):
    cells = read(path).cells
    assert [cell.id for cell in cells[1:3]] == ["links", "colab"] and "hide-input" in tags(cells[2])
    answer, imports, parameters = code_cells(path)[:3]
    assert answer.id == "answer" and answer.source == ANSWER.format(path.stem)
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(imports.source).body)
    assert "parameters" in tags(parameters)
    later = [node for cell in code_cells(path)[2:] for node in ast.walk(ast.parse(cell.source))]
    assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in later), "one import cell"


@each_notebook
def test_exactly_one_cell_is_tagged_parameters_and_holds_typed_literals(path):
    tagged = [cell for cell in read(path).cells if "parameters" in tags(cell)]
    assert len(tagged) == 1
    lines = ast.parse(tagged[0].source).body
    assert all(isinstance(line, ast.AnnAssign) for line in lines)
    values = {line.target.id: ast.literal_eval(line.value) for line in lines}
    assert values["run_dir"].removeprefix("_runs/") in profiles_of(path.stem) & {"nano", "real-cpu"}
    assert all("#" in line for line in tagged[0].source.splitlines()), "say what each parameter means"


@pytest.mark.parametrize("path", EXERCISED, ids=lambda path: path.stem)
def test_a_chapter_ends_in_two_or_three_exercises_with_folded_solutions(path):
    cells = read(path).cells
    last = cells[[cell.id for cell in cells].index("exercises") :]
    words = "\n".join(cell.source for cell in last if cell.cell_type == "markdown")
    asked = EXERCISE.findall(words)
    assert words.startswith("### Exercises\n") and words[:99] in section(path, "Try it")
    assert asked in (["1", "2"], ["1", "2", "3"])
    solved = {cell.id.removeprefix("solution-") for cell in last if cell.cell_type == "code"}
    _, *parts = EXERCISE.split(words)
    texts = zip(parts[::2], parts[1::2], strict=True)
    solved |= {number for number, text in texts if "\n:::{dropdown} Solution\n" in text}
    assert sorted(solved) == asked


@pytest.mark.parametrize("path", EXERCISED, ids=lambda path: path.stem)
def test_a_solution_follows_its_exercise_and_is_folded(path):
    cells = read(path).cells
    for before, cell in itertools.pairwise(cells):
        if cell.id.startswith("solution-"):
            assert EXERCISE.findall(before.source)[-1:] == [cell.id.removeprefix("solution-")]
            assert "hide-cell" in tags(cell) and cell.metadata.mystnb.code_prompt_show == "Solution"


# --- length and rhythm --------------------------------------------------------------------------


@each_notebook
def test_no_cell_is_long(path):
    assert max(len(cell.source.splitlines()) for cell in code_cells(path)) <= LONGEST_CELL


def test_most_cells_are_short():
    lengths = [len(cell.source.splitlines()) for path in NOTEBOOKS for cell in code_cells(path)]
    assert statistics.median(lengths) <= MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= NINE_IN_TEN


@each_notebook
def test_there_is_more_prose_than_code(path):
    lines = sum(bool(line.strip()) for cell in code_cells(path) for line in cell.source.splitlines())
    words = len(re.findall(r"[^\W\d_]{2,}", prose(path)))
    assert words >= WORDS_PER_CODE_LINE * lines, f"{words} words for {lines} lines of code"


@each_notebook
def test_code_cells_are_set_apart_by_prose(path):
    shown = [cell for cell in read(path).cells if cell.id != "choices"]
    kinds = itertools.groupby(shown, key=lambda cell: cell.cell_type)
    assert max(len(list(cells)) for kind, cells in kinds if kind == "code") <= CODE_CELLS_IN_A_ROW


def blocks(path):
    """Return every run of consecutive code lines, of the length that may not occur twice, within its cell."""
    for cell in code_cells(path)[2:]:  # the answer and imports are what notebooks are meant to share
        lines = [line.rstrip() for line in cell.source.splitlines() if line.strip()]
        yield from (tuple(lines[i : i + REPEATED_LINES]) for i in range(len(lines) - REPEATED_LINES + 1))


def test_no_code_is_copied_between_notebooks():
    for one, other in itertools.combinations(NOTEBOOKS, 2):
        shared = set(blocks(one)) & set(blocks(other))
        assert not shared, f"{one.stem} and {other.stem} share code: move it to helpers"


# --- what code may do -----------------------------------------------------------------------------


@each_notebook
def test_code_only_calls_helpers_and_looks(path):
    found = nodes(path)
    kinds = {FORBIDDEN_NODES[type(node)] for node in found if type(node) in FORBIDDEN_NODES}
    names = {n.attr for n in found if isinstance(n, ast.Attribute)}
    names |= {n.id for n in found if isinstance(n, ast.Name)}
    assert not kinds and not names & FORBIDDEN_NAMES
    loops = [ast.unparse(node.iter) for node in found if isinstance(node, ast.comprehension)]
    assert not [loop for loop in loops if LOOP_WORDS.search(loop)], "helpers loop over seeds, arms and runs"


@each_notebook
def test_imports_are_few_and_light(path):
    modules = {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes(path) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in modules} & FORBIDDEN_IMPORTS
    assert any(module.split(".")[0] == "helpers" for module in modules)


@each_notebook
def test_only_the_parameters_name_a_place(path):
    cells = [cell for cell in code_cells(path) if "parameters" not in tags(cell)]
    texts = [text for cell in cells for text in strings(ast.walk(ast.parse(cell.source)))]
    assert not [text for text in texts if PATHLIKE.search(text)]


@each_notebook
def test_functions_are_short_lessons(path):
    lengths = {n.name: n.end_lineno - n.lineno + 1 for n in nodes(path) if isinstance(n, ast.FunctionDef)}
    assert not [name for name, lines in lengths.items() if lines > LONGEST_FUNCTION]


# --- figures, numbers, claims -----------------------------------------------------------------------


def answers(module):
    """Whether a module of figures makes what answers to a reader, which tells in words what it shows."""
    return any(name in module.split(".") for name in ("explorers", "ask"))


def figure_calls(path):
    """Return the code cells that call a function imported from helpers.figures."""
    imports = [node for node in nodes(path) if isinstance(node, ast.ImportFrom)]
    figures = [node for node in imports if node.module.startswith("helpers.figures")]
    drawn_by = [node for node in figures if not answers(node.module)]
    drawing = {alias.asname or alias.name for node in drawn_by for alias in node.names}
    for cell in code_cells(path)[1:]:
        names = {n.id for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)}
        if names & drawing:
            yield cell


@each_notebook
def test_figures_have_a_name_a_caption_and_words_for_those_who_cannot_see_them(path):
    for cell in figure_calls(path):
        shown = cell.metadata.get("mystnb", {})
        assert shown.get("figure", {}).get("name", "").startswith("fig-"), cell.source
        assert len(shown["figure"].get("caption", "")) > 60, "it stands alone: what is shown, its unit, its marks"
        assert "image" not in shown, "the figure says its result itself, see figures/picture.py"


def test_figure_names_are_used_once():
    cells = [cell for path in NOTEBOOKS for cell in read(path).cells]
    shown = [cell.metadata.mystnb for cell in cells if "mystnb" in cell.metadata]
    names = [options.figure.name for options in shown if "figure" in options]
    assert len(set(names)) == len(names)


@each_notebook
@pytest.mark.parametrize("heading", ["Result", "Verdict"])
def test_results_are_printed_not_typed(path, heading):
    text = re.sub(r"\{\{.*?\}\}|\{[\w-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|95\s*%", "", section(path, heading))
    assert not re.findall(r".{0,30}\d[\d.,]*.{0,20}", text), "print the number, or take it from the ledger"


def claim_ids(path):
    """Return the strings in a notebook's code that are written like claim ids."""
    families = {name.split(".")[0] for name in load_claims()}
    dotted = {text for text in strings(nodes(path)) if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", text)}
    return {text for text in dotted if text.split(".")[0] in families}


@each_notebook
def test_recorded_ids_are_claims_of_this_notebook(path):
    claims = load_claims()
    unknown = {name for name in claim_ids(path) if name not in claims}
    assert not unknown, f"add to paper_claims.yaml: {', '.join(sorted(unknown))}"
    foreign = {name for name in claim_ids(path) if claims[name].notebook not in (None, path.stem)}
    assert not foreign, f"these belong to other notebooks: {', '.join(sorted(foreign))}"
