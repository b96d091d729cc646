"""Modules form layers: each imports only from a lower layer, or from a module named before it in its own.

LAYERS is the one table of the architecture. A new module is added here, at the place where it belongs.
"""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/helpers"
LAYERS = {
    "0 files, streams, settings": "strict_yaml seeds keys artifacts tables progress sweep profiles stats colab_cell",
    "1 language": (
        "world tasks prompts corpus tokenizer filters judge sandbox traits code_filter reasoning_filter channels"
    ),
    "2 models": (
        "models relatives sampling optimizers adapters losses training evaluation prompted_judge mlp_stack mnist"
    ),
    "3 roles": "teachers students",
    "4 experiments": "experiments",
    "5 ledger": "claims ledger",
    "6 pictures": "figures.common figures widgets",
    "7 chain and commands": "notebooks execution chain prose staging book doctor cli",
}
# Layers whose modules must not load a library, lest reading results need what making them needs.
BARE = {
    "torch": {"0", "1", "5", "6", "7"},
    "transformers": {"0", "5", "6", "7"},
    "papermill": {"0", "1", "2", "3", "4", "5", "6"},
    "matplotlib": {"0", "1", "2", "3", "4", "5"},
}
STANDARD_LIBRARY_ONLY = {"filters", "keys"}
ROWS = [names.split() for names in LAYERS.values()]
ORDER = {name: (layer, place) for layer, row in enumerate(ROWS) for place, name in enumerate(row)}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def name_of(path):
    """Return a module's name below helpers, such as "figures.common"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def rank(name):
    """Return (layer, place) of a module, or of the folder it lies in; None when LAYERS lacks both."""
    return ORDER.get(name) or ORDER.get(name.split(".")[0])


def imports(path):
    """Yield (module, whether at the top of the file) for all imports but those only for type checkers."""
    tree = ast.parse(path.read_text())
    branches = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    typing = {id(n) for b in branches if ast.unparse(b.test) == "TYPE_CHECKING" for n in ast.walk(b)}
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in typing:
            yield from ((name, id(node) in top) for name in imported_names(node))


def imported_names(node):
    """Return the modules one import statement names; `from helpers import x` names helpers.x."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "write imports in full, not relative"
    return [f"helpers.{alias.name}" for alias in node.names] if node.module == "helpers" else [node.module]


def own_imports(path):
    """Return the modules below helpers that a module imports."""
    names = {name.removeprefix("helpers.") for name, _ in imports(path) if name.startswith("helpers.")}
    return names & {name_of(module) for module in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_has_its_place(path):
    assert rank(name_of(path)), f"add {name_of(path)} to LAYERS, at the place where it belongs"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    mine, folder = rank(name_of(path)), name_of(path).split(".")[0]
    others = {name for name in own_imports(path) if not (rank(name) == mine and name.split(".")[0] == folder)}
    upward = [name for name in others if rank(name) >= mine]
    assert not upward, f"{name_of(path)} may not import {', '.join(upward)}: see LAYERS"


def test_no_module_imports_itself_by_a_detour():
    graph = {name_of(path): own_imports(path) for path in MODULES}
    for start in graph:
        seen, todo = set(), list(graph[start])
        while todo:
            name = todo.pop()
            assert name != start, f"{start} imports itself through {', '.join(sorted(seen))}"
            todo += graph.get(name, set()) - seen
            seen.add(name)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_libraries_stay_in_their_layers(path):
    layer = str(rank(name_of(path))[0])
    loaded = {name.split(".")[0] for name, at_top in imports(path) if at_top}
    wrong = [library for library in loaded if layer in BARE.get(library, ())]
    assert not wrong, f"{name_of(path)} loads {', '.join(wrong)} on import; layer {layer} must not"


@pytest.mark.parametrize("name", sorted(STANDARD_LIBRARY_ONLY))
def test_some_modules_need_nothing_but_python(name):
    foreign = {n.split(".")[0] for n, _ in imports(PACKAGE / f"{name}.py")} - set(sys.stdlib_module_names)
    assert not foreign
