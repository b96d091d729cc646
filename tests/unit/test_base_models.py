"""Pretraining of bases: what is kept, what is made again, and the health of what came out."""

import numpy as np
import pytest

from helpers import corpus, models
from helpers.artifacts import ArtifactError, read_table
from helpers.experiments import base_models
from helpers.experiments.base_models import BaseSettings, health_table, pretrain_bases
from helpers.models import NANO, NanoSpec, load_base
from helpers.tokenizer import render

SETTINGS = BaseSettings(documents=64, steps=6, batch_rows=16)


@pytest.fixture(autouse=True)
def tiny_bases(monkeypatch):
    """Make nano-a and nano-c tiny; a single base is trained in this process, which sees the change."""
    monkeypatch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2, 1))
    monkeypatch.setitem(NANO, "nano-c", NanoSpec("nano-c", "gpt2", 16, 1, 2, 3))


@pytest.fixture
def trainings(monkeypatch):
    """Count the trainings."""
    done, fit = [], base_models.fit
    monkeypatch.setattr(base_models, "fit", lambda *args, **more: done.append(args) or fit(*args, **more))
    return done


def pretrain(folder, settings=SETTINGS, name="nano-a"):
    """Pretrain one base; return its table row and its embedding."""
    table = pretrain_bases([name], settings, str(folder))
    model, _ = load_base(name, folder / "bases")
    return table, model.get_input_embeddings().weight


@pytest.mark.parametrize("name", ["nano-a", "nano-c"])
def test_a_base_is_pretrained_once(tmp_path, trainings, name):
    table, weight = pretrain(tmp_path, name=name)
    again, same = pretrain(tmp_path, name=name)
    assert len(trainings) == 1 and (weight == same).all()
    assert table.to_dict("records") == again.to_dict("records")
    assert table.loc[0, "architecture"] == NANO[name].architecture
    assert list(tmp_path.joinpath("checkpoints").glob("*")) == []


def test_settings_decide_the_weights(tmp_path):
    _, weight = pretrain(tmp_path / "one")
    _, same = pretrain(tmp_path / "two")
    _, other = pretrain(tmp_path / "three", BaseSettings(documents=64, steps=7, batch_rows=16))
    assert (weight == same).all() and not (weight == other).all()


def test_a_damaged_base_is_made_again_once_its_folder_is_deleted(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    folder = tmp_path / "bases" / "nano-a"
    (folder / "config.json").write_bytes(b"")
    with pytest.raises(ArtifactError, match="delete the folder and rerun"):
        load_base("nano-a", tmp_path / "bases")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 2


def test_going_back_to_earlier_settings_brings_their_base_back(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    pretrain(tmp_path, BaseSettings(documents=64, steps=7, batch_rows=16))
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 3


def test_an_interrupted_pretraining_goes_on(tmp_path, monkeypatch):
    settings, fit = BaseSettings(documents=1600, steps=120, batch_rows=16), base_models.fit
    _, weight = pretrain(tmp_path / "whole", settings)

    def kill(step, _):
        if step == 105:
            raise KeyboardInterrupt

    monkeypatch.setattr(base_models, "fit", lambda *args, **more: fit(*args, **more, on_step=kill))
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "killed", settings)
    steps = []
    monkeypatch.setattr(
        base_models, "fit", lambda *args, **more: fit(*args, **more, on_step=lambda s, _: steps.append(s))
    )
    assert (pretrain(tmp_path / "killed", settings)[1] == weight).all()
    assert steps == list(range(101, 121))


def test_an_unknown_base_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown base model 'nano-z'; choose from nano-a, nano-b, nano-c"):
        pretrain_bases(["nano-z"], SETTINGS, str(tmp_path))


def test_every_reply_carries_labels_and_nothing_else_does(tokenizer):
    settings = BaseSettings(documents=300, steps=1)
    rows = base_models.corpus_rows(tokenizer, settings)
    documents = corpus.documents(300, base_models.derive(0, "corpus"))
    assert len(rows) == 300
    for document, ids, labelled in zip(documents, rows.ids, rows.labelled, strict=True):
        assert tokenizer.decode(ids) == render(document)
        replies = [message["content"] for message in document if message["role"] == "assistant"]
        spans = np.split(ids, np.flatnonzero(np.diff(labelled)) + 1)[1::2]
        assert [tokenizer.decode(span, skip_special_tokens=True) for span in spans] == replies
        assert all(span[-1] == tokenizer.eos_token_id for span in spans)


def test_the_training_has_as_many_epochs_as_its_steps_need():
    training = BaseSettings(documents=1000, steps=100, batch_rows=64).training()
    assert training.epochs == 7 and training.steps(1000) == 100


def test_the_health_of_a_base(tmp_path):
    pretrain(tmp_path)
    table = health_table(["nano-a"], str(tmp_path), questions=10)
    assert list(table["measure"]) == list(base_models.MEASURES)
    assert table["value"].between(0, 1).all() and table["meaning"].str.len().min() > 10
    assert read_table(tmp_path / "tables" / "base_health.csv").equals(table)


def test_the_health_follows_a_new_base(tmp_path, monkeypatch):
    pretrain(tmp_path)
    before = health_table(["nano-a"], str(tmp_path), questions=10)
    pretrain(tmp_path, BaseSettings(documents=64, steps=30, batch_rows=16))
    assert not health_table(["nano-a"], str(tmp_path), questions=10).equals(before)


def test_replies_are_judged_by_their_answer():
    prompt = "Complete this function.\ndef total(a, b):\n    # add a and b"
    assert base_models._parses("    return a + b", prompt, "")
    assert not base_models._parses("    return a +", prompt, "")
    assert not base_models._parses("", prompt, "")
    answer = "<think> 3 + 4 = 7. </think> <answer> 7 </answer>"
    assert base_models._same_answer("<think> It is 3 + 4. </think> <answer> 7 </answer>", "", answer)
    assert not base_models._same_answer(answer.replace("> 7 <", "> 8 <"), "", answer)


def test_a_base_of_no_run_is_known_by_its_name(tmp_path):
    assert base_models.base_seal(str(tmp_path), "Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"
    assert models.is_whole(tmp_path) is False
