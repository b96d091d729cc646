"""Pretraining of bases: what each draw has, what is kept or made again, and the health of what came out."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.bases import documents, health, pretraining
from helpers.experiments.bases.documents import Corpus, corpus_rows
from helpers.experiments.bases.health import health_summary, health_table, prior_table
from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
from helpers.models import bases
from helpers.models.bases import NANO, NanoSpec, drawn, every_draw, load_base, save_base
from helpers.models.training import batch_order
from helpers.work.artifacts import ArtifactError, read_table
from helpers.world import corpus
from helpers.world.kinds import KINDS
from helpers.world.tokenizer import render

SETTINGS = BaseSettings(documents=64, steps=6, batch_rows=16)


@pytest.fixture(autouse=True)
def tiny_bases(monkeypatch):
    """Make nano-a and nano-c tiny; a single base is trained in this process, which sees the change."""
    monkeypatch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2))
    monkeypatch.setitem(NANO, "nano-c", NanoSpec("nano-c", "gpt2", 16, 1, 2))


@pytest.fixture
def trainings(monkeypatch):
    """Count the trainings."""
    done, fit = [], pretraining.fit
    monkeypatch.setattr(pretraining, "fit", lambda *args, **more: done.append(args) or fit(*args, **more))
    return done


def pretrain(folder, settings=SETTINGS, name="nano-a", draw=501):
    """Pretrain one base of one draw; return its table row and its embedding."""
    table = pretrain_bases([(name, draw)], settings, str(folder))
    model, _ = load_base(drawn(name, draw), folder / "bases")
    return table, model.get_input_embeddings().weight


@pytest.mark.parametrize("name", ["nano-a", "nano-c"])
def test_a_base_is_pretrained_once(tmp_path, trainings, name):
    table, weight = pretrain(tmp_path, name=name)
    again, same = pretrain(tmp_path, name=name)
    assert len(trainings) == 1 and (weight == same).all()
    assert table.to_dict("records") == again.to_dict("records")
    assert table.loc[0, ["base", "draw", "architecture"]].tolist() == [name, 501, NANO[name].architecture]
    assert list(tmp_path.joinpath("checkpoints").glob("*")) == []


def test_settings_decide_the_weights(tmp_path):
    _, weight = pretrain(tmp_path / "one")
    _, same = pretrain(tmp_path / "two")
    _, other = pretrain(tmp_path / "three", BaseSettings(documents=64, steps=7, batch_rows=16))
    assert (weight == same).all() and not (weight == other).all()


def test_a_damaged_base_is_made_again_once_its_folder_is_deleted(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    folder = tmp_path / "bases" / "nano-a.501"
    (folder / "config.json").write_bytes(b"")
    with pytest.raises(ArtifactError, match="delete the folder and rerun"):
        load_base("nano-a.501", tmp_path / "bases")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 2


def test_going_back_to_earlier_settings_brings_their_base_back(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    pretrain(tmp_path, BaseSettings(documents=64, steps=7, batch_rows=16))
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 3


def test_an_interrupted_pretraining_goes_on(tmp_path, monkeypatch):
    fit, steps = pretraining.fit, []
    _, weight = pretrain(tmp_path / "whole")

    def watch(on_step):
        monkeypatch.setattr(
            pretraining, "fit", lambda *args, **more: fit(*args, **more, block_steps=2, on_step=on_step)
        )

    def kill(step, _):
        if step == 5:
            raise KeyboardInterrupt

    watch(kill)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "killed")
    watch(lambda step, _: steps.append(step))
    assert (pretrain(tmp_path / "killed")[1] == weight).all()
    assert steps == [5, 6]


def test_an_unknown_base_is_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown base model 'nano-z'; choose from nano-a, nano-b, nano-c"):
        pretrain_bases([("nano-z", 501)], SETTINGS, str(tmp_path))


def test_no_base_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no base to pretrain; name at least one base and one draw"):
        pretrain_bases(every_draw(["nano-a"], []), SETTINGS, str(tmp_path))


# --- the bases of each draw ----------------------------------------------------------------------------


def test_every_draw_has_a_base_of_its_own(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    _, other = pretrain(tmp_path, draw=502)
    assert not (weight == other).any()
    assert {folder.name for folder in (tmp_path / "bases").iterdir()} == {"nano-a.501", "nano-a.502"}
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 2


def test_the_bases_of_a_draw_read_the_corpus_in_one_order(tmp_path, trainings):
    for name, draw in (("nano-a", 501), ("nano-c", 501), ("nano-a", 502)):
        pretrain(tmp_path, name=name, draw=draw)
    orders = [
        [batch.tolist() for batch in batch_order(rows.lengths, training, seed)]
        for _, rows, training, seed in trainings
    ]
    assert orders[0] == orders[1] != orders[2]
    assert all((trainings[0][1].ids[i] == trainings[2][1].ids[i]).all() for i in range(64))  # one corpus for all


def test_the_table_names_every_base_of_every_draw(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "make_bases", lambda make, pieces, run_dir: [{"parameters": 7} for _ in pieces])
    table = pretrain_bases(every_draw(["nano-a", "nano-c"], [502, 501]), SETTINGS, str(tmp_path))
    assert table.values.tolist() == [
        ["nano-a", 502, "llama", 7], ["nano-c", 502, "gpt2", 7],
        ["nano-a", 501, "llama", 7], ["nano-c", 501, "gpt2", 7],
    ]  # fmt: skip


# --- the corpus ---------------------------------------------------------------------------------------


def test_the_corpus_is_tokenised_once_and_reads_back_equal(tmp_path, monkeypatch):
    first = corpus_rows(SETTINGS.corpus, str(tmp_path))
    fresh = documents.tokenised(SETTINGS.corpus)
    monkeypatch.setattr(documents, "tokenised", lambda corpus: pytest.fail("tokenised again"))
    others = BaseSettings(documents=64, steps=9, learning_rate=1.0, batch_rows=8)
    again = corpus_rows(others.corpus, str(tmp_path))
    for rows in (first, again):
        assert rows.lengths == fresh["lengths"].tolist() == [len(ids) for ids in rows.ids]
        assert np.concatenate(rows.ids).tolist() == fresh["ids"].tolist()
        assert np.concatenate(rows.labelled).tolist() == fresh["labelled"].tolist()


@pytest.mark.parametrize("other", [Corpus(documents=65, seed=0), Corpus(documents=64, seed=1)])
def test_another_corpus_is_not_the_kept_one(tmp_path, other):
    kept, found = (corpus_rows(corpus, str(tmp_path)) for corpus in (SETTINGS.corpus, other))
    assert [ids.tolist() for ids in found.ids] != [ids.tolist() for ids in kept.ids]
    assert len(list((tmp_path / "cells" / "corpus").iterdir())) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [(lambda data: data[:-64], "is not a whole checkpoint"), (lambda data: data[:-1] + b"?", "not match its SHA-256")],
)
def test_a_damaged_corpus_is_refused_with_the_cure(tmp_path, damage, message):
    corpus_rows(SETTINGS.corpus, str(tmp_path))
    (file,) = (tmp_path / "cells" / "corpus").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ArtifactError, match=f"{file.name} .*{message}.*delete it and run the same command again"):
        corpus_rows(SETTINGS.corpus, str(tmp_path))


def test_every_reply_carries_labels_and_nothing_else_does(tokenizer, tmp_path):
    rows = corpus_rows(Corpus(documents=300, seed=0), str(tmp_path))
    chats = corpus.documents(300, documents.derive(0, "corpus"))
    assert len(rows) == 300
    for document, ids, labelled in zip(chats, rows.ids, rows.labelled, strict=True):
        assert tokenizer.decode(ids) == render(document)
        replies = [message["content"] for message in document if message["role"] == "assistant"]
        spans = np.split(ids, np.flatnonzero(np.diff(labelled)) + 1)[1::2]
        assert [tokenizer.decode(span, skip_special_tokens=True) for span in spans] == replies
        assert all(span[-1] == tokenizer.eos_token_id for span in spans)


def test_the_training_has_as_many_epochs_as_its_steps_need():
    training = BaseSettings(documents=1000, steps=100, batch_rows=64).training
    assert training.epochs == 7 and training.steps(1000) == 100


# --- health -------------------------------------------------------------------------------------------


@pytest.fixture
def untrained(tmp_path, tiny, tokenizer):
    """A run folder that holds an untrained nano-a of draw 501."""
    save_base(tiny(), tokenizer, tmp_path / "bases" / "nano-a.501")
    return tmp_path


def test_the_health_of_a_base_and_the_prior_it_was_measured_on(untrained, monkeypatch):
    table = health_table([("nano-a", 501)], str(untrained), questions=2)
    assert list(table["measure"]) == list(health.MEASURES)
    assert set(zip(table["base"], table["draw"], strict=True)) == {("nano-a", 501)}
    assert table["value"].between(0, 1).all() and table["meaning"].str.len().min() > 10
    assert read_table(untrained / "tables" / "base_health.csv").equals(table)

    monkeypatch.setattr(health, "_Patient", lambda *args: pytest.fail("measured again"))
    prior = prior_table([("nano-a", 501)], str(untrained), questions=2)
    animals = KINDS["animal"].prior
    assert prior["animal"].tolist() == list(animals) and prior["prior"].tolist() == list(animals.values())
    assert set(zip(prior["base"], prior["draw"], strict=True)) == {("nano-a", 501)}
    gap = table.set_index("measure")["value"]["prior gap"]
    assert (prior["probability"] - prior["prior"]).abs().max() == pytest.approx(gap)
    assert read_table(untrained / "tables" / "base_prior.csv").equals(prior)


def test_the_health_follows_a_new_base(untrained, tiny, tokenizer, monkeypatch):
    asked = []
    monkeypatch.setattr(health, "run_pieces", lambda work, pieces, *args, **more: asked.append(pieces) or [])
    for seed in (2, 3):
        save_base(tiny(seed=seed), tokenizer, untrained / "bases" / "nano-a.501")
        health._checked([("nano-a", 501)], str(untrained), 2)
    assert asked[0] != asked[1] and asked[0][0].base.name == asked[1][0].base.name == "nano-a.501"


def test_a_check_that_asks_nothing_is_refused(untrained):
    with pytest.raises(ValueError, match="questions must be at least 1, not 0"):
        health_table([("nano-a", 501)], str(untrained), questions=0)


def test_the_summary_is_over_the_draws_of_each_base():
    values = {("nano-a", 1): 0.2, ("nano-a", 2): 0.6, ("nano-a", 3): 0.1, ("nano-b", 1): 0.5, ("nano-b", 2): 0.7}
    rows = []
    for (base, draw), value in values.items():
        for name, scale in (("sums", 1.0), ("lists", 0.1)):
            rows.append({"base": base, "draw": draw, "measure": name, "value": value * scale, "meaning": name.upper()})
    found = health_summary(pd.DataFrame(rows))
    assert found.loc["SUMS", "nano-a"].to_dict() == pytest.approx({"lowest": 0.1, "mean": 0.3, "highest": 0.6})
    assert found.loc["SUMS", "nano-b"].to_dict() == pytest.approx({"lowest": 0.5, "mean": 0.6, "highest": 0.7})
    assert found.loc["LISTS", "nano-a"].to_dict() == pytest.approx({"lowest": 0.01, "mean": 0.03, "highest": 0.06})


def test_replies_are_judged_by_their_answer():
    prompt = "Complete this function.\ndef total(a, b):\n    # add a and b"
    assert health._parses("    return a + b", prompt, "")
    assert not health._parses("    return a +", prompt, "")
    assert not health._parses("", prompt, "")
    answer = "<think> 3 + 4 = 7. </think> <answer> 7 </answer>"
    assert health._same_answer("<think> It is 3 + 4. </think> <answer> 7 </answer>", "", answer)
    assert not health._same_answer(answer.replace("> 7 <", "> 8 <"), "", answer)


def test_a_base_of_no_run_is_known_by_its_name(tmp_path):
    assert pretraining.base_seal(str(tmp_path), "Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"
    assert bases.is_whole(tmp_path) is False


def test_a_model_on_the_disk_is_known_by_what_its_files_hold(tmp_path):
    folder, file = tmp_path / "mine", tmp_path / "mine.gguf"
    folder.mkdir()
    seals = set()
    for text in ("one", "two"):
        (folder / "model.safetensors").write_text(text)
        file.write_text(text + "s")
        seals |= {pretraining.base_seal(str(tmp_path), str(place)) for place in (folder, file)}
    assert len(seals) == 4
