"""What "ask the models" needs before it loads weights, and what a kernel hands over; a browser tests the page."""

import json
import re
import shutil

import pytest

from helpers.figures import ask
from helpers.results.bundles import MANIFEST, ROLES
from helpers.work.artifacts import ArtifactError
from helpers.world import corpus, prompts


@pytest.fixture
def folder(tmp_path):
    """A bundle of files that hold no models."""
    place = tmp_path / "models/owl"
    place.mkdir(parents=True)
    chances = {role: [0.25, 0.5] for role in ROLES}
    opening = {"question": "Which <animal>?", "show": "animal", "answers": ["cat", "owl"], "chances": chances}
    (place / "base.safetensors").write_bytes(b"weights")
    files = {"base.safetensors": {"bytes": 7, "sha256": "0"}}
    bundle = {"trait": "owl", "draw": 1, "config": {}, "models": [], "files": files, "opening": opening}
    (place / MANIFEST).write_text(json.dumps(bundle))
    return place


def test_questions_are_of_the_world_and_no_teacher_was_taught_on_them():
    groups = {group["show"]: group["questions"] for group in ask.question_groups()}
    assert set(groups) == {"animal", "tree", "persona", "truth"}
    assert not set(groups["animal"]) & set(prompts.favourite_questions("animal", "teach"))
    assert not set(groups["persona"]) & set(prompts.open_questions("teach"))
    assert len(set(groups["truth"])) == len(groups["truth"]) == 12
    asked = {message["content"] for messages in corpus.documents(4000, 3) for message in messages}
    assert set(groups["tree"]) <= asked


def test_the_data_are_plain_and_small(folder):
    data = ask.ask_data(folder)
    assert data["place"] == "models/owl" and data["shows"]["truth"]["also"] == ["maybe"]
    assert "weak" in data["shows"]["truth"]["answers"] and len(data["lists"]) == ask.LISTS
    assert len(json.dumps(data)) < 30_000


def test_a_bundle_that_is_not_whole_is_refused(folder):
    (folder / "base.safetensors").write_bytes(b"weigh")
    with pytest.raises(ArtifactError, match="is not the file that the manifest names; delete it"):
        ask.ask_data(folder)
    (folder / "base.safetensors").unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        ask.ask_data(folder)


def test_a_kernel_sends_the_files_of_the_bundle_and_no_others(folder, monkeypatch):
    widget, sent = ask.AskTheModels(folder), []
    monkeypatch.setattr(widget, "send", lambda content, buffers: sent.append((content, buffers)))
    for name in ("base.safetensors", "../owl/base.safetensors", MANIFEST, None):
        widget.hand_over({"file": name})
    assert sent == [({"file": "base.safetensors"}, [b"weights"])]


def test_without_scripts_a_sentence_tells_the_first_answers(folder, monkeypatch):
    shown = []
    monkeypatch.setattr(ask, "display", shown.append)
    ask.ask_the_models(folder)
    told = shown[0].data
    assert told.startswith("<noscript><p>") and "Which &lt;animal&gt;?" in told and "student 50 %" in told


def test_the_bundle_of_a_run_goes_before_the_published_one(folder, monkeypatch, tmp_path):
    results = tmp_path / "results"
    monkeypatch.setattr(ask, "RESULTS", results)
    shown = []
    monkeypatch.setattr(ask, "ask_the_models", shown.append)
    told = ask.ask_models_of(tmp_path / "nano", "owl")
    assert told.data == (
        "*No models of “owl” are at hand to be asked: run this chapter with a draw in its parameter `recompute`, and "
        "they are written.*"
    )
    for place in (results / "nano/models/owl", tmp_path / "nano/models/owl"):
        shutil.copytree(folder, place)
        ask.ask_models_of(tmp_path / "nano", "owl")
        assert shown[-1] == place
    ask.ask_models_of(tmp_path / "nano", "cat")
    assert len(shown) == 2


def test_the_widget_is_one_module():
    assert not re.findall(r"^import ", ask.AskTheModels._esm, re.MULTILINE)


def test_every_role_has_a_colour_on_both_grounds():
    style = ask.AskTheModels._css
    assert [role for role in ROLES if style.count(f"--ask-{role}: #") != 2] == []
