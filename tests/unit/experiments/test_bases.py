"""Pretraining of bases: what each draw has, what is kept or made again, and the health of what came out."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.bases import documents, health, making
from helpers.experiments.bases.documents import Corpus, corpus_rows
from helpers.experiments.bases.health import health_summary, health_table, prior_table
from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases, retrain_bases
from helpers.models.bases import base_seal, load_base
from helpers.models.nano import NANO, NanoSpec, drawn
from helpers.models.nano_files import base_file, save_base
from helpers.models.training import batch_order
from helpers.work.artifacts import ArtifactError, read_json, read_table
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
    done, fit = [], making.fit
    monkeypatch.setattr(making, "fit", lambda *args, **more: done.append(args) or fit(*args, **more))
    return done


def pretrain(folder, settings=SETTINGS, name="nano-a", draw=501):
    """Pretrain one base of one draw; return its table row and its embedding."""
    table = pretrain_bases([name], [draw], settings, str(folder))
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


def test_a_base_that_is_gone_is_made_again(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    base_file(tmp_path / "bases", "nano-a.501").unlink()
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 2


def test_a_damaged_base_is_refused_until_it_is_deleted(tmp_path, trainings):
    pretrain(tmp_path)
    base_file(tmp_path / "bases", "nano-a.501").write_bytes(b"")
    with pytest.raises(ArtifactError, match="delete it and run the same command again"):
        pretrain(tmp_path)


def test_going_back_to_earlier_settings_brings_their_base_back(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    pretrain(tmp_path, BaseSettings(documents=64, steps=7, batch_rows=16))
    assert (pretrain(tmp_path)[1] == weight).all() and len(trainings) == 3


def test_an_interrupted_pretraining_goes_on(tmp_path, monkeypatch):
    fit, steps = making.fit, []
    _, weight = pretrain(tmp_path / "whole")

    def watch(on_step):
        monkeypatch.setattr(
            making, "fit", lambda *args, **more: fit(*args, **more, block_steps=2, on_step=on_step)
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
    with pytest.raises(ValueError, match="unknown base model 'nano-z'; choose from nano-a, nano-c"):
        pretrain_bases(["nano-z"], [501], SETTINGS, str(tmp_path))


def test_no_base_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no base to pretrain; name at least one"):
        pretrain_bases([], [501], SETTINGS, str(tmp_path))


def test_no_draw_at_all_needs_no_base(tmp_path):
    table = pretrain_bases(["nano-a"], [], SETTINGS, str(tmp_path))
    assert table.empty and list(table) == ["base", "draw", "architecture", "parameters", "origin"]
    assert retrain_bases(["nano-a"], table, SETTINGS, str(tmp_path)) == []


@pytest.mark.parametrize("name", ["documents", "steps", "learning_rate", "batch_rows"])
def test_a_training_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be above 0, not 0"):
        BaseSettings(**{"documents": 64, "steps": 6, name: 0})


# --- the bases of each draw ----------------------------------------------------------------------------


def test_every_draw_has_a_base_of_its_own(tmp_path, trainings):
    _, weight = pretrain(tmp_path)
    _, other = pretrain(tmp_path, draw=502)
    assert (weight == other).float().mean() < 0.02  # two bfloat16 numbers may coincide by chance
    assert set(read_json(tmp_path / "bases" / "seals.json")) == {"nano-a.501", "nano-a.502"}
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
    made = {"parameters": 7, "seconds": 1.0}
    monkeypatch.setattr(making, "make_bases", lambda make, pieces, *rest: [made] * len(pieces))
    table = pretrain_bases(["nano-a", "nano-c"], [502, 501], SETTINGS, str(tmp_path))
    assert table.values.tolist() == [
        ["nano-a", 502, "llama", 7, "trained here"], ["nano-c", 502, "gpt2", 7, "trained here"],
        ["nano-a", 501, "llama", 7, "trained here"], ["nano-c", 501, "gpt2", 7, "trained here"],
    ]  # fmt: skip


# --- bases that travel --------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A repository in which profile toy publishes two toy bases of draw 501, trained in another folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("nano-a", "nano-c"):
        pretrain(tmp_path / "elsewhere", name=name)
    folder = tmp_path / "results" / "toy"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere" / "bases").rename(folder / "bases")
    return folder / "bases"


def test_published_bases_are_taken_and_nothing_is_trained(published, trainings):
    made = pretrain_bases(["nano-a", "nano-c"], [501], SETTINGS, "_runs/toy")
    assert made["origin"].tolist() == ["published"] * 2 and trainings == []
    for name, parameters in zip(("nano-a.501", "nano-c.501"), made["parameters"], strict=True):
        model, _ = load_base(name, "_runs/toy/bases")
        assert parameters == sum(value.numel() for value in model.parameters())
        assert base_seal("_runs/toy", name) == read_json(published / "seals.json")[name]


def test_a_base_of_other_settings_or_of_another_draw_is_trained_here(published, trainings):
    longer = BaseSettings(documents=64, steps=7, batch_rows=16)
    for settings, draw in ((longer, 501), (SETTINGS, 502)):
        assert pretrain_bases(["nano-a"], [draw], settings, "_runs/toy")["origin"].tolist() == ["trained here"]
    assert len(trainings) == 2
    seals = read_json(published / "seals.json")
    assert base_seal("_runs/toy", "nano-a.501") != seals["nano-a.501"]  # the base of this run goes first


def test_going_back_to_the_published_settings_brings_the_published_base_back(published, trainings):
    pretrain_bases(["nano-a"], [501], BaseSettings(documents=64, steps=7, batch_rows=16), "_runs/toy")
    assert pretrain_bases(["nano-a"], [501], SETTINGS, "_runs/toy")["origin"].tolist() == ["published"]
    assert base_seal("_runs/toy", "nano-a.501") == read_json(published / "seals.json")["nano-a.501"]
    assert read_json("_runs/toy/bases/seals.json") == {} and len(trainings) == 1


def test_a_machine_that_trains_as_the_published_one_did_gets_the_same_base(published):
    pretrain_bases(["nano-a"], [501], SETTINGS, "_runs/another")
    seals = read_json("_runs/another/bases/seals.json")
    assert seals == {"nano-a.501": read_json(published / "seals.json")["nano-a.501"]}


def test_one_published_base_is_trained_again_beside_itself(published, trainings):
    made = pretrain_bases(["nano-a"], [502, 501], SETTINGS, "_runs/toy")
    done = len(trainings)
    assert retrain_bases(["nano-a"], made, SETTINGS, "_runs/toy") == [("nano-a.501.again", 501)]
    assert len(trainings) == done + 1
    again, _ = load_base("nano-a.501.again", "_runs/toy/bases")
    first, _ = load_base("nano-a.501", "_runs/toy/bases")
    assert all((one == other).all() for one, other in zip(again.parameters(), first.parameters(), strict=True))
    assert set(read_json("_runs/toy/bases/seals.json")) == {"nano-a.502"}


def test_what_was_trained_here_is_not_trained_twice(tmp_path, trainings):
    made = pretrain_bases(["nano-a"], [501], SETTINGS, str(tmp_path))
    assert retrain_bases(["nano-a"], made, SETTINGS, str(tmp_path)) == [] and len(trainings) == 1


def test_a_damaged_published_base_stops_the_run(published):
    base_file(published, "nano-a.501").write_bytes(b"")
    with pytest.raises(ArtifactError, match="is not a nano base.*restore it from git"):
        pretrain_bases(["nano-a"], [501], SETTINGS, "_runs/toy")


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
def untrained(tmp_path, tiny):
    """A run folder that holds an untrained nano-a of draw 501."""
    save_base(tiny(), tmp_path / "bases", "nano-a.501")
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


def test_the_health_follows_a_new_base(untrained, tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(health, "run_pieces", lambda work, pieces, *args, **more: asked.append(pieces) or [])
    for seed in (2, 3):
        save_base(tiny(seed=seed), untrained / "bases", "nano-a.501")
        health._checked([("nano-a", 501)], str(untrained), 2)
    assert asked[0] != asked[1] and asked[0][0].base.name == asked[1][0].base.name == "nano-a.501"


def test_a_base_that_was_trained_again_stands_beside_the_first(untrained, monkeypatch):
    monkeypatch.setattr(health, "_checked", lambda *asked: [dict.fromkeys(health.MEASURES, 0.4) | {"seconds": 1.0}])
    rows = [("nano-a", 501, 0.2), ("nano-a", 502, 0.9), ("nano-c", 501, 0.9)]
    measured = []
    for base, draw, value in rows:
        measured += [{"base": base, "draw": draw, "measure": name, "value": value} for name in health.MEASURES]
    measured = pd.DataFrame(measured)
    found = health.beside([("nano-a.501.again", 501)], measured, str(untrained))
    assert found.to_dict("list") == {"nano-a.501": [0.2] * 7, "nano-a.501.again": [0.4] * 7}
    assert found.index.tolist() == list(health.MEASURES.values())


def test_the_first_prior_is_that_of_the_lowest_draw_there_is():
    prior = pd.DataFrame({"base": ["nano-a", "nano-a", "nano-b"], "draw": [3, 2, 1], "animal": ["cat", "owl", "dog"]})
    assert health.first_prior(prior, "nano-a")["animal"].tolist() == ["owl"]
    assert health.first_prior(pd.DataFrame({"draw": []}), "nano-a").empty


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
