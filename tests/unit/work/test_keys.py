"""Keys change when, and only when, what they stand for changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.work.keys import SOURCE_ROOT, ArtifactError, Sources, content_key, source_key

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_count(settings: dict[str, object]) -> None:
    assert content_key(settings) == content_key(dict(reversed(settings.items())))


@given(JSON, JSON)
def test_different_values_have_different_keys(one: object, other: object) -> None:
    assert (content_key(one) == content_key(other)) == (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, _sorted(item)) for key, item in value.items()), "dict"
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_the_key_is_the_hash_of_canonical_json() -> None:
    # printf '{"a":[1,2.5],"b":null}' | sha256sum
    known = "f66b2c50ccae61e3f2445d2439f42efc245581b18ed184ce5d3c22fb58eed9c4"
    assert content_key({"b": None, "a": (1, 2.5)}) == known


@dataclass(frozen=True)
class Settings:
    """Toy settings."""

    seed: int


def test_a_dataclass_counts_as_its_fields() -> None:
    assert content_key(Settings(1)) == content_key({"seed": 1})


@pytest.mark.parametrize("value", [float("nan"), {1: 2}, [{"a": {2: 3}}], Path("x"), {"a": {1, 2}}, Settings])
def test_values_without_exact_json_are_refused(value: object) -> None:
    with pytest.raises(ArtifactError, match="cannot be keyed: .*; use str, int"):
        content_key(value)


def write_package(root: Path, **files: str) -> Path:
    """A toy package `helpers` below a new folder of `root`; `__` in a name stands for a folder."""
    root = root / str(len(list(root.iterdir())))
    for name, text in {"__init__": "", **files}.items():
        stem = name if name == "__init__" else name.replace("__", "/")
        path = root / "helpers" / (stem if "." in stem else f"{stem}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


BASE = {"a": "from helpers import b\n", "b": "import helpers.c\nX = 1\n", "c": "Y = 1\n", "d": "Z = 1\n"}


@pytest.mark.parametrize(("change", "counts"), [
    ({"b": "import helpers.c\nX = 2\n"}, True),
    ({"c": "Y = 2\n"}, True),
    ({"__init__": "Z = 1\n"}, True),
    ({"d": "Z = 2\n"}, False),
    ({"b": "import helpers.c  # why\n\nX   =   1\n"}, False),
])
def test_only_what_a_module_reaches_counts(tmp_path: Path, change: dict[str, str], counts: bool) -> None:
    before = source_key("a", root=write_package(tmp_path, **BASE))
    after = source_key("helpers.a", root=write_package(tmp_path, **{**BASE, **change}))
    assert (before != after) == counts


@pytest.mark.parametrize("statement", [
    "from helpers import b", "from helpers.b import X", "import helpers.b as other",
    "def f():\n    import helpers.b", "from helpers.e import g",
])
def test_every_way_to_import_is_followed(tmp_path: Path, statement: str) -> None:
    files = {"a": statement, "b": "X = 1", "e____init__": "", "e__g": "from helpers.b import X"}
    before = source_key("a", root=write_package(tmp_path, **files))
    assert before != source_key("a", root=write_package(tmp_path, **{**files, "b": "X = 2"}))


@pytest.mark.parametrize("literal", ["claims.yaml", "data", "data/x.csv"])
def test_data_files_named_in_the_source_count(tmp_path: Path, literal: str) -> None:
    roots = [write_package(tmp_path, a=f"FILE = {literal!r}") for _ in range(2)]
    for number, root in enumerate(roots):
        (root / "helpers" / "data").mkdir()
        (root / "helpers" / "data" / "x.csv").write_text(str(number))
        (root / "helpers" / "claims.yaml").write_text(str(number))
    assert source_key("a", root=roots[0]) != source_key("a", root=roots[1])


def test_modules_that_import_each_other_have_keys(tmp_path: Path) -> None:
    root = write_package(tmp_path, a="from helpers import b", b="from helpers import a")
    assert len(source_key("a", root=root)) == 64


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ArtifactError, match="no module helpers.nonesuch"):
        source_key("nonesuch")


def test_the_imports_of_a_notebook_are_found() -> None:
    source = "import numpy\nfrom helpers.results import ledger\nfrom helpers.chain.profiles import load_profile"
    found = Sources().imported_modules(source)
    assert found == {
        "helpers", "helpers.results", "helpers.results.ledger", "helpers.chain", "helpers.chain.profiles"
    }


def test_edits_count_for_those_who_look_again_only(tmp_path: Path) -> None:
    root = write_package(tmp_path, a="FILE = 'x.csv'\nfrom helpers import b", b="X = 1")
    (root / "helpers" / "x.csv").write_text("1")
    loaded = source_key("a", root=root)
    first = Sources(root).key("a")
    (root / "helpers" / "b.py").write_text("X = 2")
    second = Sources(root).key("a")
    (root / "helpers" / "x.csv").write_text("2")
    assert source_key("a", root=root) == loaded == first  # what runs is the code that was loaded
    assert len({first, second, Sources(root).key("a")}) == 3


def _with_pieces() -> list[str]:
    """The modules whose functions are pieces of work, or that key files by their own code."""
    folders = [SOURCE_ROOT / "helpers" / name for name in ("experiments", "transmission", "models", "mnist")]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    marks = ("run_pieces(", "source_key(", ".json(")
    with_marks = [file for file in files if any(mark in file.read_text(encoding="utf-8") for mark in marks)]
    return [".".join(file.relative_to(SOURCE_ROOT).with_suffix("").parts) for file in with_marks]


@pytest.mark.parametrize("module", _with_pieces())
def test_pieces_do_not_hang_on_claims(module: str) -> None:
    # an edited prediction would make every trained model stale
    judging = {name for name in Sources().reached(module) if name.startswith("helpers.results.")}
    assert judging <= {"helpers.results.stats"}
