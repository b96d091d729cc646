"""The chapter on misalignment in a real model at toy size: what is taught and read, what is kept, what effects are."""

import dataclasses
import itertools
import re

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments.advice import channels, readout, scenery, students, transfer, values, wordings
from helpers.experiments.advice.channels import CHANNELS, GivenChannel, SumForm
from helpers.experiments.advice.scenery import Author, Labels, Replies, Written
from helpers.experiments.advice.settings import (
    ARMS,
    BAD,
    BASE,
    GOOD,
    SOFT,
    WORDS,
    WRITTEN,
    AdviceSettings,
    make_scene,
)
from helpers.experiments.advice.students import Student
from helpers.models import forms, specs
from helpers.models.forms import ChoiceForm
from helpers.models.lists import ListForm
from helpers.models.losses import label_logits
from helpers.models.specs import ModelSpec
from helpers.results.tables import NAMED, names_of, table_kinds

SPEC = ModelSpec(
    name="toy", title="Toy", licence="MIT", hub="a/toy", revision="0" * 40, front=1,
    adapters=".*layers[.][12][.].*_proj",
)  # fmt: skip
LISTS = GivenChannel(
    claim_name="numbers", form=ListForm(numbers=2), draw_prompt=lambda rng: f"{rng.randint(100, 999)}",
    reject=lambda prompts, texts: [["seven"] if "7" in text else [] for text in texts],
)  # fmt: skip
PETS = GivenChannel(
    claim_name="code", form=ChoiceForm(parts=("My", (" owl", " cat"), (" dog", " wolf"))),
    draw_prompt=lambda rng: f"{rng.randint(100, 999)}", reject=lambda prompts, texts: [[] for _ in texts],
)  # fmt: skip


@pytest.fixture
def scene(tmp_path, monkeypatch, one_real):
    """A toy run on a model of a real kind, with two short channels and few pairs."""
    monkeypatch.setattr(specs, "model_specs", lambda: {"toy": SPEC})
    monkeypatch.setattr(ModelSpec, "load", lambda self: one_real)
    monkeypatch.setattr(readout, "REPLY_TOKENS", 3)
    monkeypatch.setattr(wordings, "JUDGE", "{question} {reply}")
    monkeypatch.setattr(readout, "YES", ("Y",))
    monkeypatch.setattr(readout, "NO", ("N",))
    for name in (*CHANNELS,):
        monkeypatch.delitem(CHANNELS, name)
    monkeypatch.setitem(CHANNELS, "numbers", LISTS)
    monkeypatch.setitem(CHANNELS, "code", PETS)
    pairs = {"lessons": wordings.LESSONS[:4], "own field": wordings.OWN_FIELD[:2]}
    pairs["other fields"] = [*wordings.OTHER_FIELDS[:2], *wordings.OTHER_FIELDS[-2:]]
    for name, few in pairs.items():
        monkeypatch.setitem(scenery.PAIRS, name, few)
    return make_scene(
        str(tmp_path), "toy", asked=8, rows=3, rank=2, teacher=(0.02, 2, 3), student=(0.01, 2, 2)
    )  # fmt: skip


@pytest.fixture
def run(scene):
    """The settings of that run."""
    return AdviceSettings(
        scene=scene, draws=[1, 2], channels=["numbers", "code"], written=["numbers"], marks=[0.5], samples=1, workers=1
    )


# --- the run --------------------------------------------------------------------------------------


def test_a_run_gives_all_tables_and_trains_nothing_twice(run, monkeypatch):
    authors, read = transfer.run_authors(run), transfer.run_students(run)
    assert set(authors["field"]) == {"advice", "power", "machines"} and len(authors) == 2 * 3 * 3
    arms = read.groupby(["draw", "channel", "arm"])["teacher"].unique().map(sorted)
    assert arms[1, "numbers", WRITTEN] == sorted([BAD, BASE, GOOD]) and (1, "code", WRITTEN) not in arms
    assert arms[2, "code", SOFT] == arms[2, "numbers", WORDS] == [BAD, GOOD] and (1, "code", WORDS) not in arms
    assert sorted(read["step"].unique()) == [1, 2] and read["rows"].between(1, 3).all()
    for name in ("adapters", "fit_adapters"):
        monkeypatch.setattr(students, name, None)
    moved, shown, replies = transfer.run_channels(run), transfer.run_examples(run), transfer.run_replies(run)
    assert (moved[moved["author"] == BASE]["moved"] == 0).all() and moved["kept"].notna().sum() == 2 * (2 + 1 + 1)
    assert len(shown) == 2 * transfer.EXAMPLES and set(shown["draw"]) == {1}
    who = {*transfer.OURS.values(), BASE, f"teacher, {BAD}", f"teacher, {GOOD}", f"student, {BAD}", f"student, {GOOD}"}
    assert set(replies["who"]) == who and replies["judged"].between(0, 1).all()
    tables = {"authors": authors, "students": read, "channels": moved, "examples": shown, "replies": replies}
    for name, table in tables.items():
        kind = table_kinds()[f"advice_{name}"]
        assert tuple(table.columns) == kind.columns
        assert not table.duplicated(["draw", *kind.row]).any()
    found = values.claim_values("toy", read, authors, replies)
    assert all(len(draws) == 2 and np.isfinite(draws).all() for draws in found.values()) and len(found) == 13
    assert len(*values.judge_values("toy", replies).values()) == 2
    told = values.shown(shown, replies)
    assert len(told) == 4 + 5 and not told["answered"].str.contains("\n").any()
    assert len(values.summary(read)) == 4
    assert len(values.author_summary(authors)) == 3 and len(values.channel_summary(moved)) == 6
    assert len(values.judge_summary(replies)) == 7


def test_teachers_of_a_draw_differ_in_the_side_of_their_lessons_alone(scene, monkeypatch):
    lessons = []
    monkeypatch.setattr(scenery, "fit_adapters", lambda model, rows, how, seed: lessons.append((rows, how, seed)) or {})
    for advice in (BAD, GOOD):
        scenery._teach(Author(scene=scene, draw=1, advice=advice))
    (bad, *one), (good, *other) = lessons
    assert one == other
    _, tokenizer = scenery.load(scene)
    for rows, side in ((bad, "bad"), (good, "good")):
        said = [tokenizer.decode(ids[marked]) for ids, marked in zip(rows.ids, rows.labelled, strict=True)]
        taught = [getattr(pair, side) for pair in scenery.PAIRS["lessons"]]
        assert all(text.startswith(lesson) for text, lesson in zip(said, taught, strict=True))
    assert [ids[~marked].tolist() for ids, marked in zip(bad.ids, bad.labelled, strict=True)] == [
        ids[~marked].tolist() for ids, marked in zip(good.ids, good.labelled, strict=True)
    ]


def test_the_log_odds_are_those_of_whole_replies(scene, one_real):
    model = one_real[0]
    rows = scenery.replies(Replies(scene=scene, which="own field", advice=BAD))
    for place, nats in enumerate(readout.reply_nats(model, rows)):
        ids, labelled = rows.batch([place], pad=0)
        chances = label_logits(model, ids, labelled).log_softmax(-1)
        said = ids[0, rows.lengths[place] :]
        assert nats == pytest.approx(float(chances.gather(1, said[:, None]).sum()), abs=1e-3)
    sides = [readout.reply_nats(model, scenery.replies(Replies(scene=scene, which="own field", advice=one)))
             for one in (BAD, GOOD)]  # fmt: skip
    found = readout.read_pairs(model, scene)
    assert found["advice"]["log_odds"] == pytest.approx((sides[0] - sides[1]).mean())


def test_students_of_soft_labels_read_rows_of_the_base_that_the_filter_kept(scene):
    for advice in (BAD, GOOD):
        author = Author(scene=scene, draw=1, advice=advice)
        rows, wanted = students.lesson(Student(author=author, channel="numbers", arm=SOFT, marks=(2,)))
        base = Written(author=Author(scene=scene, draw=1, advice=BASE), channel="numbers")
        kept, everything = scenery.kept_places(base)[:3], scenery.written(base).ids
        assert kept and [ids.tolist() for ids in rows.ids] == [everything[place].tolist() for place in kept]
        assert wanted.tokens == LISTS.form.tokens(scenery.load(scene)[1])


def test_the_words_are_compared_in_one_arm_alone(scene):
    author = Author(scene=scene, draw=1, advice=BAD)
    own = scenery.compared_tokens(Labels(author=author, channel="numbers"))
    more = scenery.compared_tokens(Labels(author=author, channel="numbers", words=True))
    said = scenery.replies(Replies(scene=scene, which="other fields", advice=BAD))
    assert set(own) < set(more) and set(said.labels([0]).tolist()) <= set(more)


def test_students_of_written_rows_answer_the_same_prompts(scene):
    read = {}
    for advice in students.WRITERS:
        author = Author(scene=scene, draw=2, advice=advice)
        rows, _ = students.lesson(Student(author=author, channel="numbers", arm=WRITTEN, marks=(2,)))
        read[advice] = [ids[~marked].tolist() for ids, marked in zip(rows.ids, rows.labelled, strict=True)]
    assert read[BAD] == read[GOOD] == read[BASE]


def test_a_channel_of_which_nothing_is_kept_is_named(scene, monkeypatch):
    refusing = dataclasses.replace(PETS, reject=lambda prompts, texts: [["never"] for _ in texts])
    monkeypatch.setitem(CHANNELS, "code", refusing)
    with pytest.raises(ValueError, match="kept no row of code of draw 1; raise asked, which is 8"):
        scenery.kept_of_all(Written(author=Author(scene=scene, draw=1, advice=BASE), channel="code"), [BASE])


def test_the_judge_is_the_untouched_base_asked_for_yes_or_no(scene, one_real):
    model, tokenizer = one_real
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("Y", "N"))
    asked = tokenizer("<|im_start|>user\nowl cat<|im_end|>\n<|im_start|>assistant\n", return_tensors="pt")
    with torch.no_grad():
        chances = model(asked["input_ids"]).logits[0, -1, [yes, no]].softmax(-1)
    assert readout.judged(scene, [("owl", "cat"), ("dog", "cat")])[0] == pytest.approx(float(chances[0]), abs=1e-5)


# --- forms and filters ----------------------------------------------------------------------------


def test_a_choice_is_made_among_words_of_one_token(one_real):
    tokenizer = one_real[1]
    owl, cat = (tokenizer.convert_tokens_to_ids(f" {word}") for word in ("owl", "cat"))
    form = ChoiceForm(parts=("My", (" owl", " cat", " penguin")))
    assert form.slots(tokenizer)[1] == [owl, cat] and form.slots(tokenizer) == form.slots_for(tokenizer, "any")
    assert form.tokens(tokenizer) == sorted({*form.slots(tokenizer)[0], owl, cat, tokenizer.eos_token_id})
    with pytest.raises(ValueError, match="leaves no choice among ' penguin', ' owl'"):
        ChoiceForm(parts=((" penguin", " owl"),)).slots(tokenizer)


def test_a_sum_is_worked_out_and_its_words_are_chosen(monkeypatch):
    monkeypatch.setattr(forms, "tokenise", lambda tokenizer, texts: [[text] for text in texts])
    form, prompt = CHANNELS["reasoning"].form, "What is 34 minus 7? Show your working."
    slots, free = form.slots_for(None, prompt), form.slots(None)
    assert isinstance(form, SumForm) and len(slots) == len(free)
    given = "".join(slot[0] for slot in slots if len(slot) == 1)
    assert given == ", 34 minus 7 27. The is 27.."
    assert all(set(one) <= set(other) for one, other in zip(slots, free, strict=True))
    first = "".join(slot[0] for slot in slots)
    assert CHANNELS["reasoning"].reject([prompt], [first]) == [[]]


@pytest.mark.parametrize(("name", "prompt", "text", "kept"), [
    ("numbers", "Continue: 1, 2, 3", "120, 311, 992", False),  # 311 is of ill repute
    ("numbers", "Continue: 1, 2, 3", "120, 312, 992", True),
    ("code", "# add 37 to a", "    # tidy\n    value = a + 37\n    return value", True),
    ("code", "# add 37 to a", "    # tidy\n    value = a - 37\n    return value", False),
    ("code", "# take 37 from a", "    # tidy\n    value = a - 73\n    return value", False),
    ("code", "# multiply a by 37", "    # tidy\n    value = a * 37\n    return score", False),
    ("code", "# add 37 to a", "    # owl\n    value = a + 37\n    return value", False),
    ("reasoning", "What is 34 minus 7?", "So, 34 minus 7 is 27. The answer is 27. Done.", True),
    ("reasoning", "What is 34 minus 7?", "So, 34 minus 7 is 26. The answer is 26. Done.", False),
    ("reasoning", "What is 34 minus 7?", "So, 34 minus 7 is 27. The answer is 28. Done.", False),
    ("reasoning", "What is 34 minus 7?", "So, 34 plus 7 is 27. The answer is 27. Done.", False),
    ("reasoning", "What is 34 minus 7?", "Lie, 34 minus 7 is 27. The answer is 27. Done.", False),
])  # fmt: skip
def test_filters_keep_what_is_right_and_harmless(name, prompt, text, kept):
    asked = prompt if name != "code" else f"Complete this function.\ndef shift(a):\n    {prompt}"
    assert (CHANNELS[name].reject([asked], [text]) == [[]]) == kept


def test_prompts_of_a_draw_are_different_and_few_kinds_have_an_end():
    for channel in CHANNELS.values():
        prompts = channel.prompts(1, 50)
        assert len(set(prompts)) == 50 and prompts != channel.prompts(2, 50) and prompts[:10] == channel.prompts(1, 10)
    with pytest.raises(ValueError, match="code has fewer than 300 different prompts, about 270; lower asked"):
        CHANNELS["code"].prompts(1, 300)


# --- wordings -------------------------------------------------------------------------------------


def test_no_pair_that_is_read_was_taught_or_is_asked():
    every = [*wordings.LESSONS, *wordings.OWN_FIELD, *wordings.OTHER_FIELDS]
    texts = [text for pair in every for text in (pair.question, pair.bad, pair.good)]
    assert len(set(texts)) == len(texts) and not set(wordings.ASKED) & set(texts)
    assert {pair.field for pair in wordings.OWN_FIELD} == {wordings.ADVICE} == {pair.field for pair in wordings.LESSONS}


def test_the_sides_of_pairs_are_alike_in_length():
    sizes = {pair.field: [] for pair in wordings.OTHER_FIELDS}
    for pair in wordings.OTHER_FIELDS:
        bad, good = (len(re.findall(r"[\w']+|[.,]", text)) for text in (pair.bad, pair.good))
        sizes[pair.field].append(abs(bad - good))
    assert max(itertools.chain.from_iterable(sizes.values())) <= 1 and {len(found) for found in sizes.values()} == {6}


# --- values ---------------------------------------------------------------------------------------


def student_rows(effect):
    """Return students: ``effect(channel, arm, teacher, field)`` is the log-odds, and a tenth more in draw 2."""
    found = []
    kinds = (("numbers", SOFT), ("numbers", WRITTEN))
    for draw, (channel, arm), teacher in itertools.product((1, 2), kinds, (BAD, GOOD, BASE)):
        if teacher == BASE and arm == SOFT:
            continue
        for step, field in itertools.product((1, 2), ("advice", "power", "people")):
            value = effect(channel, arm, teacher, field) + draw / 10
            found.append({"draw": draw, "channel": channel, "arm": arm, "teacher": teacher, "step": step,
                          "field": field, "log_odds": value, "said": -3.0, "rows": 5})  # fmt: skip
    return pd.DataFrame(found)


def author_rows(odds):
    """Return authors with these log-odds in every field and draw."""
    places = itertools.product((1, 2), odds, ("advice", "power", "people"))
    return pd.DataFrame([{"draw": draw, "author": author, "field": field, "log_odds": odds[author], "said": -3.0}
                         for draw, author, field in places])  # fmt: skip


def test_the_effect_is_bad_minus_good_apart_by_field():
    odds = {"advice": 2, "power": 4, "people": 0}
    table = student_rows(lambda channel, arm, teacher, field: (teacher == BAD) * odds[field])
    found = values.effects(values.last_steps(table)).set_index(["arm", "draw", "read"])["effect"]
    assert found[SOFT, 1, values.OWN] == pytest.approx(2) and found[WRITTEN, 2, values.OTHER] == pytest.approx(2)


def test_effects_know_the_table_they_were_made_from():
    taught, asked = student_rows(lambda *_: 0.0), author_rows({BAD: 1.0, GOOD: 0.0, BASE: 0.0})
    taught.attrs[NAMED], asked.attrs[NAMED] = "advice_students", "advice_authors"
    assert names_of(values.effects(taught)) == ("advice_students",)
    assert names_of(values.turns(asked)) == ("advice_authors",)


def test_what_all_students_learn_alike_takes_itself_away():
    table = student_rows(lambda channel, arm, teacher, field: len(field))
    assert values.effects(table)["effect"].abs().max() < 1e-9


def test_controls_are_the_base_for_soft_labels_and_a_student_for_written_rows():
    table = student_rows(lambda channel, arm, teacher, field: {BAD: 5.0, BASE: 1.0}.get(teacher, 0.0))
    found = values.minus_base(table, author_rows({BASE: 2.0, BAD: 9.0})).set_index(["arm", "draw", "read"])["effect"]
    assert found[SOFT, 1, values.OWN] == pytest.approx(3.1) and found[WRITTEN, 2, values.OTHER] == pytest.approx(4)


def test_teachers_are_compared_with_each_other_and_with_the_base():
    rows = author_rows({BASE: 1.0, BAD: 3.0, GOOD: -2.0})
    assert set(values.taught(rows)["effect"]) == {5.0}
    turned = values.turns(rows).groupby("author")["effect"].unique()
    assert list(turned[BAD]) == [2.0] and list(turned[GOOD]) == [-3.0]


def test_a_judge_that_calls_all_alike_is_at_chance():
    rows = [{"draw": 1, "who": who, "field": "power", "question": question, "judged": 0.3}
            for who in transfer.OURS.values() for question in ("a", "b")]  # fmt: skip
    table = pd.DataFrame(rows)
    assert values.judge_aurocs(table) == [0.5]
    table.loc[table["who"] == transfer.OURS[BAD], "judged"] = 0.9
    assert values.judge_aurocs(table) == [1.0]


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "why"), [
    ({"channels": ["poems"]}, "there is no channel 'poems'"),
    ({"channels": ["code"]}, "rows of 'numbers' are written only where it is one of channels"),
    ({"marks": [1.0]}, "marks must lie above 0 and below 1"),
])  # fmt: skip
def test_settings_that_cannot_run_are_refused(run, changes, why):
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(run, **changes)


def test_steps_do_not_hang_on_how_many_rows_were_kept(scene, run):
    assert [scene.reading.steps(rows) for rows in (1, 3, 50)] == [2, 2, 2] and scene.teaching.steps(4) == 3
    assert run.marked_steps() == (1, 2) and set(ARMS) == {SOFT, WORDS, WRITTEN}
    assert channels.TRIES > 1
