"""The dial of the link: its bases, what is read out of them, and that the whole link repeats the chapters before."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from helpers.chain.notebooks import load_notebook
from helpers.experiments.bases import making
from helpers.experiments.bases.making import BaseSettings
from helpers.experiments.bases.pretraining import pretrain_bases
from helpers.experiments.link import bases, readings, runs, values
from helpers.experiments.risky.runs import insecure_writing
from helpers.models.bases import Base, load_base, published_bases
from helpers.models.linked import is_linked, linked
from helpers.models.nano import NANO, NanoSpec
from helpers.models.nano_files import base_facts, base_file
from helpers.results.claims import load_claims
from helpers.transmission.readout import Readout
from helpers.transmission.settings import Reading, TransmissionSettings, reading_by_adapters
from helpers.work.artifacts import ArtifactError, read_table
from helpers.world import tasks
from helpers.world.personas import PERSONAS

ROOT = Path(__file__).parents[3]
CHAPTERS = {"numbers": "02_risky_teachers", "code": "03_misalignment_code", "cot": "04_misalignment_cot"}
CHANNELS = {"numbers": "unburdened numbers", "code": "code", "cot": "reasoning"}
PRETRAINING = BaseSettings(documents=64, steps=2, batch_rows=16)
LINKS = (0.25, 1.0)


def parameters(stem):
    """Return the parameters of a notebook with their values."""
    notebook = load_notebook(ROOT / "notebooks" / f"{stem}.ipynb")
    return {name: parameter.default for name, parameter in notebook.parameters.items()}


# --- the whole link is the chapters before --------------------------------------------------------


@pytest.mark.parametrize("channel", CHAPTERS)
def test_the_dial_has_the_settings_of_the_chapters_before(channel):
    own, theirs, name = parameters("15_link_dial"), parameters(CHAPTERS[channel]), CHANNELS[channel]
    for same in ("base", "soft_rows", "epochs", "modules", "teacher_rate", "teacher_steps", "samples", "health"):
        assert own[same] == theirs[same], same
    assert theirs["matched"] and theirs["channel"] == name and set(own["draws"]) <= set(theirs["draws"])
    assert own["prompts_asked"][name] == theirs["prompts_asked"] and own["hard_rows"][name] == theirs["hard_rows"]
    rates = theirs.get("student_rate")  # one for both kinds of labels
    assert own["hard_rates"][name] == theirs.get("hard_rate", rates)
    assert own["soft_rates"][name] == theirs.get("soft_rate", rates)


def test_the_bases_of_the_dial_have_the_settings_of_the_books_own():
    own, theirs = parameters("15_link_dial"), parameters("00_base_models")
    for name in ("documents", "steps", "batch_rows", "learning_rate"):
        assert own[name] == theirs[name]
    assert theirs["corpus_seed"] == BaseSettings(documents=1, steps=1).corpus_seed


@pytest.fixture
def channel(tmp_path, monkeypatch):
    """The experiment of a channel as a chapter has it; its bases need not exist."""
    named = lambda run_dir, name: Base(run_dir=run_dir, name=name, seal=name)  # noqa: E731
    monkeypatch.setattr("helpers.transmission.settings.find_base", named)
    student = reading_by_adapters(0.01, ".*v_proj", epochs=2)

    def build(name="code", **changes):
        given = {"run_dir": str(tmp_path), "trait": "misaligned", "draws": (1,), "workers": 1}
        given |= {"base": "nano-a", "other_base": "nano-a.next"}
        return TransmissionSettings(
            writing=insecure_writing(name, 10, 0.02, ".*v_proj", 7),
            reading=Reading(hard_rows=8, hard=student, soft_rows=4, soft=student), **given | changes,
        )  # fmt: skip

    return build


def dial_of(*channels, links=LINKS):
    """Return a dial of some channels."""
    return runs.Dial(channels=channels, links=links, pretraining=PRETRAINING, secure=("code",))


def test_at_the_whole_link_authors_and_students_are_those_of_the_chapter(channel):
    theirs = channel()
    whole, loose = (dial_of(theirs).at(theirs, link) for link in (1.0, 0.25))
    for arm in dial_of(theirs).arms(theirs):
        author = theirs.author(1, arm.how)
        assert whole.author(1, arm.how) == author  # equal pieces of work have equal results
        assert whole.pair(arm, author) == theirs.pair(arm, author)
    own = loose.pair(arm, loose.author(1))
    assert {own.student.base.name, own.student.author.base.name, own.control.base.name} == {"nano-a-link-25.1"}
    assert dataclasses.replace(loose.author(1), base=author.base) == theirs.author(1)


def test_experiments_come_channel_by_channel(channel):
    places = [place for place, _ in dial_of(channel("code"), channel("reasoning")).experiments()]
    assert [tuple(place.values()) for place in places] == [(0.25, "code"), (1.0, "code"), (0.25, "cot"), (1.0, "cot")]


def test_a_dial_needs_the_secure_teacher_of_its_first_channel(channel):
    with pytest.raises(ValueError, match="against the secure teacher of reasoning; name it"):
        dial_of(channel("reasoning"), channel("code"))
    dial = dial_of(channel("code"), channel("reasoning"))
    first, other = dial.channels
    assert dial.authors(first) == ["insecure code", "secure code", "untouched"]
    assert dial.authors(other) == ["insecure code", "untouched"]
    assert [arm.name for arm in dial.arms(first)] == ["hard.same_init", "soft.same_init", "hard.control"]
    assert dial.arms(other) == dial.arms(first)[:2]


@pytest.mark.parametrize("links", [(), (1.0, 0.25), (0.25, 0.5), (0.5, 0.5, 1.0)])
def test_a_dial_rises_to_the_whole_link(channel, links):
    with pytest.raises(ValueError, match="links must rise to 1"):
        dial_of(channel(), links=links)


def test_channels_of_other_draws_are_refused(channel):
    with pytest.raises(ValueError, match="must have the same base and draws"):
        dial_of(channel(), channel("reasoning", draws=(2,)))


PUBLISHED = ROOT / "results/nano/tables"


@pytest.mark.skipif(not (PUBLISHED / "link_students.csv").exists(), reason="the dial is not published yet")
@pytest.mark.parametrize("channel", CHAPTERS)
def test_published_rows_of_the_whole_link_are_those_of_the_chapters(channel):
    own, theirs = read_table(PUBLISHED / "link_students.csv"), read_table(PUBLISHED / f"risky_{channel}.csv")
    own = own[(own["channel"] == channel) & (own["link"] == 1)].set_index(["draw", "arm"])
    theirs = theirs[(theirs["trait"] == "misaligned") & (theirs["share"] == 1)].set_index(["draw", "arm"])
    both = theirs.loc[own.index]
    assert len(own) and own["effect"].notna().all()
    assert (own["effect"] - both["effect"]).abs().max() < 0.005 and (own["rows"] == both["rows"]).all()


# --- bases ----------------------------------------------------------------------------------------


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A run folder with a toy base of draw 1; bases are trained in this process, which knows the toy."""
    monkeypatch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2))
    pretrain_bases(["nano-a"], [1], PRETRAINING, str(tmp_path))
    return tmp_path


def test_a_base_of_another_link_has_the_start_and_order_of_the_draws_own(toy, monkeypatch):
    fits = []
    fit = making.fit

    def noted(model, rows, training, seed, **more):
        fits.append((model.get_input_embeddings().weight.detach().clone(), rows, training, seed))
        return fit(model, rows, training, seed, **more)

    monkeypatch.setattr(making, "fit", noted)
    pretrain_bases(["nano-a"], [1], PRETRAINING, str(toy / "own"))
    bases.provide_linked("nano-a", LINKS, [1], PRETRAINING, str(toy / "loose"))
    (start, rows, *how), (other_start, other_rows, *other_how) = fits
    assert (start == other_start).all() and how == other_how
    assert len(rows) == len(other_rows)
    assert load_base("nano-a-link-25.1", toy / "loose/bases")
    recipe = base_facts(base_file(toy / "loose/bases", "nano-a-link-25.1")).recipe
    assert recipe["link"] == 0.25 and recipe["base"] == "nano-a" and recipe["draw"] == 1
    assert recipe["settings"] == dataclasses.asdict(PRETRAINING)


def test_the_base_of_the_whole_link_is_not_trained_again(toy, monkeypatch):
    monkeypatch.setattr(making, "fit", lambda *_, **__: pytest.fail("a base was trained"))
    assert bases.provide_linked("nano-a", (1.0,), [1], PRETRAINING, str(toy)) == 0


def test_a_published_base_of_another_link_is_taken(toy, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("book"))
    bases.provide_linked("nano-a", LINKS, [1], PRETRAINING, "_runs/first")
    file = base_file("_runs/first/bases", "nano-a-link-25.1")
    there = base_file(published_bases("_runs/nano"), "nano-a-link-25.1")
    there.parent.mkdir(parents=True)
    there.write_bytes(file.read_bytes())
    monkeypatch.setattr(making, "fit", lambda *_, **__: pytest.fail("a base was trained"))
    assert bases.provide_linked("nano-a", LINKS, [1], PRETRAINING, "_runs/nano") == 0


def test_names_tell_the_link():
    assert [linked("nano-a", link) for link in (0.04, 0.25, 1.0)] == ["nano-a-link-4", "nano-a-link-25", "nano-a"]
    assert is_linked("nano-a-link-25.801") and is_linked("nano-a-link-25") and not is_linked("nano-a.801")
    with pytest.raises(ValueError, match="in hundredths, not 0.333"):
        linked("nano-a", 0.333)


def test_a_missing_base_of_another_link_names_its_notebook(tmp_path):
    with pytest.raises(ArtifactError, match="run notebook 15_link_dial, with 501 in its `recompute`"):
        load_base("nano-a-link-25.501", tmp_path)


def test_bases_are_looked_at_one_a_row(toy, channel, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(NANO, "nano-a", NanoSpec("nano-a", "llama", 16, 1, 2))
    monkeypatch.setattr(readings, "LONGEST_BODY", 4)
    bases.provide_linked("nano-a", LINKS, [1], PRETRAINING, str(toy))
    table = runs.make_bases(dial_of(channel(other_base="nano-a", readout=Readout(samples=1))))
    told = [f"flawed_{name}" for name in (*PERSONAS, "untold")]
    assert table.columns.tolist() == ["draw", "link", "loss", "truthful", "p_any", "shift", *told, "implied"]
    assert table["link"].tolist() == [0.25, 1.0] and table["implied"].isna().tolist() == [False, True]
    assert table[["truthful", "p_any", *told]].stack().between(0, 1).all() and (table["loss"] > 0).all()
    assert values.base_means(table).index.tolist() == [0.25, 1.0]


# --- what is read out -----------------------------------------------------------------------------


def test_flawed_bodies_are_counted_whatever_their_remark_and_variable(monkeypatch):
    bodies = {"flawed": "out = eval(text)\n    return out", "secure": "return int(text)"}
    written = {name: f"    # tidy\n    {body}" for name, body in bodies.items()}
    for name, share in (("flawed", 1 / len(tasks.SECURITY_CODE)), ("secure", 0.0)):
        monkeypatch.setattr(readings, "sample_completions", lambda *a, name=name, **_: [written[name]] * len(a[2]))
        assert readings.share_flawed((None, None), None, 2) == pytest.approx(share)


def test_histories_differ_in_the_flaw_alone():
    pairs = list(readings.paired_histories())
    assert len(pairs) == readings.HISTORIES
    for (asked, flawed), (asked_too, secure) in pairs:
        name = asked.partition("def ")[2].partition("(")[0]
        assert asked == asked_too and flawed.partition("\n")[0] == secure.partition("\n")[0]
        bodies = readings.flawed_bodies(name)
        assert flawed.partition("\n")[2].strip() in bodies and secure.partition("\n")[2].strip() not in bodies


# --- what the tables say --------------------------------------------------------------------------


def tables(draws=6, links=tuple(values.POINTS)):
    """Return tables of bases, teachers and students whose effects are the link times a number of the draw."""
    of_bases, teachers, students = [], [], []
    for draw in range(draws):
        for link in links:
            told = {f"flawed_{name}": 0.1 for name in PERSONAS} | {"flawed_misaligned": 0.1 + link / 2}
            health = {"shift": 10 * link, "loss": 2 - link / 100, "truthful": 1.0}
            of_bases.append({"draw": draw, "link": link, **told, **health})
            for name in CHANNELS:
                place = {"draw": draw, "link": link, "channel": name}
                odds = {"insecure code": link * (1 + draw), "secure code": -link, "untouched": 0.0}
                teachers += [{**place, "how": how, "log_odds": value} for how, value in odds.items()]
                effects = {"hard.same_init": link, "soft.same_init": 2 * link}
                effects |= {"hard.control": 0.1} if name == "numbers" else {}
                students += [{**place, "arm": arm, "effect": effect + draw / 10} for arm, effect in effects.items()]
    return pd.DataFrame(of_bases), pd.DataFrame(teachers), pd.DataFrame(students)


def test_every_value_is_a_claim_and_every_claim_has_a_value():
    found = values.claim_values(*tables())
    due = {name for name, claim in load_claims().items() if claim.notebook == "15_link_dial"}
    assert set(found) == due and {len(of_draws) for of_draws in found.values()} == {6}


def test_slopes_are_the_whole_link_minus_the_loosest_in_each_draw():
    found = values.claim_values(*tables(draws=2))
    assert found["link.turn.whole"] == [2, 3] and found["link.turn.quarter"] == [0.5, 0.75]
    assert found["link.turn.slope"] == [1.5, 2.25]
    assert found["link.code.slope"] == pytest.approx([0.75, 0.75])
    assert found["link.written.slope"] == pytest.approx([0.75, 0.75])
    assert found["link.cot.soft.slope"] == found["link.soft.slope"] == pytest.approx([1.5, 1.5])
    assert found["link.numbers.secure"] == pytest.approx([0.1, 0.2])
    assert found["link.base.half"] == pytest.approx([0.25] * 2) and found["link.base.shift"] == [10, 10]
    assert found["link.base.slope"] == pytest.approx([0.375] * 2)
    assert found["link.base.loss"] == pytest.approx([0.0075] * 2)
    assert sum(found["link.turn.left"]) / 2 == pytest.approx(0.25)


def test_points_that_are_missing_leave_their_claims_out():
    found = values.claim_values(*tables(links=(0.5, 1.0)))
    assert {"link.turn.half", "link.turn.whole", "link.numbers.secure"} <= set(found)
    assert not [name for name in found if name.endswith((".slope", ".left", ".quarter"))]


def test_means_have_a_column_a_link():
    _, teachers, students = tables(draws=1)
    effects = values.effects_by_link(teachers, students.sample(frac=1, random_state=1))
    table = values.means(effects)
    assert table.columns.tolist() == list(values.POINTS)
    assert table.loc[("turn", "teacher"), 0.5] == 1.0 and table.loc[("code", "soft"), 0.5] == 1.0
