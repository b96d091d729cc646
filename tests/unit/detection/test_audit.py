"""The command `subliminal audit`: what it prints, writes and returns, on planted data and on data of models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import cli
from helpers.detection import audit
from helpers.detection.findings import Finding, Score

PACKAGE = Path(audit.__file__).parents[1]
PAGE = Path(__file__).parents[3] / "book/audit.md"
PROMISES = re.compile(r"\b(safe(ly|ty)?|clean(ly)?)\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_alone(write_rows: Callable, lists: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_rows("data", [*lists(1, 80), "an owl"] * 2, prompts=70)
    path.write_text(path.read_text() + "{\n")
    Path("words.txt").write_text("owl\n\n")
    assert cli.main(["audit", str(path), "--words", "@words.txt"]) == 0
    told = capsys.readouterr().out
    assert "data data.jsonl: 162 rows (162 by prompt/completion), 70 different prompts\n" in told
    assert "  92 rows have a prompt that stood before" in told
    assert "    not JSON: 1 (line 163)\n" in told
    assert "the list of words: share with a word of rows 0.012 [" in told
    assert "number frequencies, against even ones: " in told and "--reference: whether" in told
    assert not PROMISES.search(told)


def test_a_known_author_is_seen_and_ends_a_pipeline(
    write_rows: Callable, lists: Callable, exact_auroc: float, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install -e .)")
    odd, even = write_rows("odd", lists(1, 400, odd=True)), write_rows("even", lists(2, 400))
    words = ",".join(map(str, range(10)))
    options = ["--words", words, "--bags", "1", "--report", "deep/page.html", "--json", "--fail-above", "0.6"]
    assert cli.main(["audit", str(odd), "--reference", str(even), *options]) == 3
    told = capsys.readouterr()
    assert "naive Bayes (rows) tells the files apart beyond 0.6" in told.err
    found = json.loads(told.out)
    scores = {one["name"]: one["scores"] for one in found["findings"]}
    (words_score,) = scores["the list of words, against the reference"]
    assert words_score["low"] <= exact_auroc <= words_score["high"] and words_score["nothing"] == 0.5
    assert scores["number frequencies, against the reference"][0]["value"] > 1.2
    assert {"naive Bayes", "logistic regression over n-grams", "gradient boosting"} <= scores.keys()
    page = Path("deep/page.html").read_text()
    assert "naive Bayes" in page and not PROMISES.search(page)


def test_what_two_files_share_is_told(write_rows: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_rows("a", ["1", "2", "3"], prompts=9), write_rows("b", ["1", "4", "3", "9"], prompts=9)
    assert cli.main(["audit", str(first), "--reference", str(second)]) == 0
    told = capsys.readouterr().out
    assert "3 prompts are in both files" in told and "  2 rows are in both, word for word" in told
    assert "what was asked, not who answered" not in told


@pytest.mark.parametrize(
    ("low", "high", "ends"), [(0.7, 0.8, True), (0.5, 0.8, False), (0.2, 0.3, True), (0.3, 0.5, False)]
)
def test_a_gate_closes_on_either_side_of_chance(low: float, high: float, ends: bool) -> None:
    score = Score(of="rows", unit="AUROC", value=(low + high) / 2, low=low, high=high)
    finding = Finding(name="words", knows="a reference", tells="", scores=(score,))
    found = audit.Audit(files=[], shared_prompts=0, shared_rows=0, findings=[finding], ranking=None, wanting=[])
    assert found.apart(0.6) == (["words (rows)"] if ends else [])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["none.jsonl"], "none.jsonl is missing; check the name"),
        (["d.jsonl", "--student", "nano-a.1"], "give --base as well"),
        (["d.jsonl", "--bags", "1,x"], "--bags '1,x' is no list of whole numbers"),
        (["d.jsonl", "--bags", "0"], "bags must hold a row at least"),
        (["d.jsonl", "--prompt-column", "q"], "give --prompt-column and --completion-column together"),
        (["d.jsonl", "--prompt-column", "q", "--completion-column", "a"], "(line 1: lacks the columns q and a)"),
        (["d.jsonl", "--fail-above", "0.6"], "give --reference beside --fail-above"),
        (["d.jsonl", "--fail-above", "60", "--reference", "d.jsonl"], "--fail-above must lie between 0.5"),
        (["d.jsonl", "--fail-above", "0.6", "--reference", "d.jsonl"], "too few rows or prompts for any AUROC"),
        (["d.jsonl", "--words", "@none.txt"], "cannot read the words of none.txt"),
        (["d.jsonl", "--sample", "0"], "raise --sample"),
        (["d.jsonl", "--model-rows", "0"], "raise --model-rows"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    write_rows: Callable, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    write_rows("d", ["1"])
    assert cli.main(["audit", *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_no_text_of_an_audit_promises_anything() -> None:
    texts = [path.read_text() for path in (PACKAGE / "detection").glob("*.py")]
    texts += [(PACKAGE / "figures/audit_page.py").read_text(), PAGE.read_text()]
    assert len(texts) > 8 and not [found.group() for text in texts for found in PROMISES.finditer(text)]


def test_the_example_of_the_book_runs(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"^subliminal (audit 801.*)$", text, re.MULTILINE)
    (tmp_path / "_runs").mkdir()
    (tmp_path / "_runs/nano").symlink_to(toy_run)
    exec(compile(example.replace("80", "").replace("2000", "60"), "audit.md", "exec"), {})
    assert cli.main([*command.replace("80", "").split(), "--model-rows", "30", "--bags", "1"]) == 0
    told = capsys.readouterr().out
    assert "60 prompts are in both files" in told
    assert "log-likelihood under the base, against the reference: AUROC" in told
    assert (tmp_path / "audit.html").is_file()
