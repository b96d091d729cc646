"""Detectors that ask models: exact log-probabilities, rows read once, and rankings of a student's rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import cli
from helpers.detection import likelihood, model_detectors
from helpers.detection.findings import Side
from helpers.detection.likelihood import Likelihoods, likelihoods
from helpers.models import bases
from helpers.models.rows import completion_rows

PAIRS = [("Continue: 1, 2.", "3, 4, 5"), ("Continue: 7.", "8"), ("Continue: 1, 2.", "9, 9")]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, uniform: torch.nn.Module, tiny: Callable, tokenizer: object) -> list[str]:
    """The names of models loaded so far; there are "uniform", whose tokens are equally likely, and "tiny"."""
    found: list[str] = []
    models = {"uniform": uniform, "tiny": tiny()}
    monkeypatch.setattr(bases, "base_seal", lambda run_dir, spec: spec)
    monkeypatch.setattr(bases, "load_base", lambda spec: found.append(spec) or (models[spec], tokenizer))
    return found


@pytest.mark.usefixtures("loads")
def test_uniform_logits_give_the_vocabulary(tmp_path: Path, tokenizer: object) -> None:
    found = likelihoods("uniform", PAIRS, tmp_path)
    rows = completion_rows(tokenizer, PAIRS)
    assert found.tokens.tolist() == rows.label_counts().tolist()
    np.testing.assert_allclose(found.per_token(), -math.log(len(tokenizer)), rtol=1e-5)


@pytest.mark.usefixtures("loads")
def test_log_probabilities_are_those_of_one_row_alone(tmp_path: Path, tokenizer: object, tiny: Callable) -> None:
    found = likelihoods("tiny", PAIRS, tmp_path)
    rows, model = completion_rows(tokenizer, PAIRS), tiny()
    for place, log in enumerate(found.logs):
        ids = torch.as_tensor(rows.ids[place])[None]
        labels = ids.masked_fill(~torch.as_tensor(rows.labelled[place])[None], -100)
        with torch.no_grad():
            loss = model(input_ids=ids, labels=labels).loss.item()
        assert log == pytest.approx(-loss * found.tokens[place], rel=1e-4)


def test_a_model_without_a_chat_template_reads_plain_text(
    loads: list[str], tmp_path: Path, tokenizer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    found = likelihoods("uniform", PAIRS, tmp_path)
    sizes = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for _, text in PAIRS]
    assert found.tokens.tolist() == sizes


def test_rows_that_were_read_are_not_read_again(
    loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "PIECE", 2)
    first = likelihoods("tiny", PAIRS[:2], tmp_path)
    assert np.array_equal(likelihoods("tiny", PAIRS[:2], tmp_path).logs, first.logs) and loads == ["tiny"]
    likelihoods("tiny", PAIRS, tmp_path)  # one more piece
    assert loads == ["tiny", "tiny"]


def test_rows_longer_than_the_model_reads_have_no_score(
    loads: list[str], tmp_path: Path, uniform: torch.nn.Module, tokenizer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [len(ids) for ids in completion_rows(tokenizer, PAIRS).ids]
    monkeypatch.setattr(uniform.config, "max_position_embeddings", max(sizes) - 1)
    found = likelihoods("uniform", PAIRS, tmp_path)
    assert np.isnan(found.per_token()).sum() == sizes.count(max(sizes))


def side(first: int, rows: int) -> Side:
    """Return rows of prompts of their own."""
    ids = np.arange(first, first + rows)
    return Side((ids + 1).tolist(), list(map(str, ids)), ["1"] * rows, ids)


def test_a_student_ranks_the_rows_it_gained_on() -> None:
    parts, gained = [side(0, 40), side(40, 40)], np.linspace(0.1, 4, 40)
    tokens = np.full(40, 2)
    base = [Likelihoods(np.full(40, -4.0), tokens)] * 2
    student = [Likelihoods(gained - 4, tokens), Likelihoods(np.full(40, -4.0), tokens)]
    findings, ranking = model_detectors.by_student(parts, base, student, (1,), 0)
    assert ranking.lines[:3] == [40, 39, 38] and ranking.scores[0] == pytest.approx(2)
    assert len(ranking.lines) == model_detectors.SHOWN_LINES
    alone, against = findings
    assert alone.scores[0].value == pytest.approx(gained.mean() / 2)
    assert against.scores[0].value == 1 and against.scores[0].low < 1


def test_rows_no_model_could_read_are_told() -> None:
    none = Likelihoods(np.zeros(40), np.zeros(40, dtype=int))
    (found,) = model_detectors.by_base([side(0, 40)], [none], (1,), 0)
    assert not found.scores and found.notes[0].startswith("40 sampled rows")
    assert model_detectors.by_student([side(0, 40)], [none], [none], (1,), 0)[1] is None


@pytest.mark.usefixtures("loads")
def test_the_command_asks_models(
    write_rows: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_rows("data", [f"{number}, 3" for number in range(30)])
    given = ["--base", "uniform", "--student", "tiny", "--model-rows", "25", "--json", "--report", "page.html"]
    assert cli.main(["audit", str(path), *given]) == 0
    found = json.loads(capsys.readouterr().out)
    scores = {one["name"]: one["scores"] for one in found["findings"]}
    assert scores["log-likelihood under the base"][0]["unit"] == "nats per token"
    assert len(found["ranking"]["lines"]) == 20 and found["wanting"][1].startswith("--reference")
    assert "Lines by nats per token that the student gained" in Path("page.html").read_text()
