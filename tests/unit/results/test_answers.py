"""The sentences of an answer say what the ledger says, for every verdict, sign and interval."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.experiments.defences.arms import UNDEFENDED
from helpers.experiments.defences.values import BY_NAME, candidates, slug
from helpers.results import answers
from helpers.results.answers import OfClaim, OfTable
from helpers.results.claims import BROKEN, HOLDS, INFORMATIVE, NOT_COMPARABLE, PARTLY, VERDICTS, load_claims
from helpers.results.records import SHARED, Record, judged
from helpers.results.words import interval

ROOT = Path(__file__).parents[3]
SENTENCES = [sentence for words in answers.words().values() for sentence in words.sentences]
OF_CLAIMS = [sentence for sentence in SENTENCES if isinstance(sentence, OfClaim)]
HEDGES = (answers.IN_THE_MEAN, answers.HOLDS_ZERO, answers.WITH_ZERO, answers.TOO_WIDE, answers.TOO_FEW,
          answers.NOT_JUDGED, answers.NOT_MEASURED, answers.OTHER_WAY)  # fmt: skip
DIGITS = re.compile(r"\d+(?:\.\d+)?(?:e\W?\d+)?")


def record_of(claim_id, value, low, high, runs=8, method="t"):
    """Return a record of a claim without a verdict of its own yet."""
    claim = load_claims()[claim_id]
    return Record(
        id=claim_id, claim=claim.claim, notebook=claim.notebook, metric=claim.metric, unit=claim.unit, value=value,
        ci=(low, high), ci_method=method, n_runs=runs, seeds=tuple(range(runs)), control=claim.control,
        paper=claim.paper, kind=claim.kind, verdict=INFORMATIVE, seconds=0.0, params_sha256="",
    )  # fmt: skip


@st.composite
def measured(draw, sentence):
    """Draw the records of a claim and of the effect that its margin hangs on, if it hangs on one, judged together."""
    wanted = {sentence.claim, load_claims()[sentence.claim].predict.third_of or sentence.claim}
    number = st.one_of(st.floats(-3, 3), st.sampled_from([-1.0, -0.5, -0.1, 0.0, 0.1, 0.15, 0.3, 0.5, 0.9, 1.0, 5.0]))
    records = []
    for claim_id in sorted(wanted):
        low, value, high = sorted(draw(st.tuples(number, number, number)))
        method = draw(st.sampled_from(["t", "t", "t", SHARED]))
        records.append(record_of(claim_id, value, low, high, draw(st.sampled_from([2, 4, 5, 16])), method))
    return {record.id: record for record in judged(records)}


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(st.data())
@pytest.mark.parametrize("sentence", OF_CLAIMS, ids=lambda sentence: sentence.claim)
def test_a_sentence_agrees_with_verdict_sign_and_interval(sentence, data):
    by_id = data.draw(measured(sentence))
    record, told = by_id[sentence.claim], answers.tell(sentence, by_id)
    assert told.verdict == record.verdict
    says, denies = (clause and clause[1:] in told.text for clause in (sentence.says, sentence.denies))
    hedged = [words for words in HEDGES if words in told.text]
    assert len(DIGITS.findall(told.text.replace(sentence.says, ""))) <= 3
    if record.verdict == NOT_COMPARABLE:
        assert says and told.text.startswith("Whether ")
        assert hedged == [answers.TOO_FEW if record.n_runs < 5 else answers.NOT_JUDGED]
    else:
        assert interval(record) in told.text
        expect = {INFORMATIVE: (True, False), PARTLY: (True, False)}
        expect |= dict.fromkeys(HOLDS, (True, False)) | dict.fromkeys(BROKEN, (False, True))
        # a clause that is denied may hold the words of the one that says it, never the other way round
        assert (says and not denies, bool(denies)) == expect[record.verdict]
        assert_hedges_agree(record, hedged, answers.tell(sentence, by_id).text)


def assert_hedges_agree(record, hedged, text):
    """What a sentence says of its certainty is what the interval allows."""
    low, high = record.ci
    zero, predict = low <= 0 <= high, load_claims()[record.id].predict
    about_zero = predict.kind in ("above", "below") and predict.threshold == 0
    if record.verdict in HOLDS:
        assert not hedged
    elif record.verdict == INFORMATIVE:
        assert answers.NO_PREDICTION in text
        assert (answers.WITH_ZERO in hedged) == (zero and record.unit == "nats")
    elif record.verdict == PARTLY:
        assert hedged == [answers.IN_THE_MEAN, answers.HOLDS_ZERO if about_zero else answers.TOO_WIDE]
        assert zero or not about_zero
    elif about_zero:
        assert hedged == [answers.WITH_ZERO if zero else answers.OTHER_WAY]
        assert (answers.OTHER_WAY in hedged) == (math.copysign(1, record.value) != 1 and high < 0)
    else:
        assert hedged in ([], [answers.IN_THE_MEAN, answers.TOO_WIDE])


@pytest.mark.parametrize(
    ("claim", "value", "ci", "runs", "verdict", "words"),
    [
        ("owl.numbers.hard.same_init", 1.4, (0.2, 2.6), 5, "replicates", "Lists do: +1.40 [+0.20, +2.60] nats."),
        ("owl.numbers.hard.same_init", 0.3, (-0.2, 0.8), 5, "partly",
         "In the mean, lists do, but the interval holds zero: +0.30 [−0.20, +0.80] nats."),
        ("owl.numbers.hard.same_init", -0.1, (-0.4, 0.2), 5, "does not replicate",
         "Lists do not: −0.10 [−0.40, +0.20] nats, an interval that holds zero."),
        ("owl.numbers.hard.same_init", -0.5, (-0.9, -0.1), 5, "does not replicate",
         "Lists do not, and the effect goes the other way: −0.50 [−0.90, −0.10] nats."),
        ("owl.numbers.hard.same_init", 1.4, (0.2, 2.6), 4, "not comparable",
         "Whether lists do is open: 4 draws are too few, with a mean of +1.40 nats."),
        ("owl.numbers.soft_leaky.cross_init", 0.1, (-0.4, 0.5), 8, "informative",
         "Lists do: +0.10 [−0.40, +0.50] nats, an interval that holds zero; nothing was predicted."),
        ("mnist.cross_aux", 0.1, (0.09, 0.12), 8, "replicates", "Lists do: 10.0 % [9.0 %, 12.0 %]."),
        ("mnist.cross_aux", 0.1, (0.02, 0.12), 8, "partly",
         "In the mean, lists do, but the interval is too wide to settle it: 10.0 % [2.0 %, 12.0 %]."),
        ("mnist.cross_aux", 0.2, (0.1, 0.3), 8, "does not replicate",
         "In the mean, lists do not, but the interval is too wide to settle it: 20.0 % [10.0 %, 30.0 %]."),
        ("mnist.cross_aux", 0.3, (0.2, 0.4), 8, "does not replicate", "Lists do not: 30.0 % [20.0 %, 40.0 %]."),
        ("misalignment.cot.sums_lost", 9.0, (6.0, 12.0), 8, "not as predicted",
         "Lists do not: 9.00 [6.00, 12.00] percentage points."),
        ("crossmodel.ratio", 0.01, (-0.1, 0.1), 8, "as predicted", "Lists do: 0.01 [−0.10, 0.10]."),
    ],
)  # fmt: skip
def test_each_verdict_has_its_form(claim, value, ci, runs, verdict, words):
    by_id = {record.id: record for record in judged([record_of(claim, value, *ci, runs)])}
    told = answers.tell(OfClaim(claim=claim, says="lists do", denies="lists do not"), by_id)
    assert told.verdict == verdict
    assert told.text.replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("AUROC", "0.690 [0.589, 1.000]"),
        ("correlation", "0.69 [0.59, 1.00]"),
        ("percentage points", "0.69 [0.59, 1.00]"),
    ],
)
def test_a_mean_and_its_bounds_are_rounded_alike(unit, words):
    record = dataclasses.replace(record_of("owl.code.same_init", 0.69, 0.589, 1.0), unit=unit)
    assert interval(record).replace("\N{NO-BREAK SPACE}", " ") == words


def test_the_best_is_the_claim_nearest_to_nothing_among_those_recorded():
    left = {"defence.best_left": 0.1, "defence.sgd": -0.05, "defence.early_stop": 0.2, "defence.weight_decay": 0.9}
    recorded = [record_of(claim, value, value - 0.02, value + 0.02) for claim, value in left.items()]
    by_id = {record.id: record for record in judged(recorded)}
    best = {"defence.early_stop": "an early end", "defence.sgd": "plain descent", "defence.two_teachers": "two of them"}
    sentence = OfClaim(claim="defence.best_left", says="it does", denies="it does not", unit="of the whole", best=best)
    told = answers.tell(sentence, by_id).text.replace("\N{NO-BREAK SPACE}", " ")
    assert told == "It does: 10.0 % [8.0 %, 12.0 %] of the whole; the best over all draws is plain descent."
    alone = answers.tell(sentence, {"defence.best_left": by_id["defence.best_left"]}).text
    assert alone.endswith("of the whole.")


def test_the_best_defence_is_sought_among_all_that_need_no_teacher():
    sentence = next(found for found in OF_CLAIMS if found.claim == "defence.best_left")
    chance = [name for name, defence in BY_NAME.items() if defence.by_chance]
    wanted = {name for name in candidates(BY_NAME) if BY_NAME[name].against in (UNDEFENDED, *chance)}
    assert sentence.best.keys() == {f"defence.{slug(name)}" for name in wanted}


def test_every_verdict_is_among_those_tried():
    tried = next(mark for mark in test_each_verdict_has_its_form.pytestmark if mark.name == "parametrize").args[1]
    assert {case[4] for case in tried} == set(VERDICTS)


def test_an_effect_that_may_be_none_stops_nothing_and_shared_draws_settle_nothing():
    same, cross = record_of("owl.code.same_init", 0.1, -0.2, 0.4), record_of("owl.code.cross_init", 0.0, -0.1, 0.1)
    sentence = OfClaim(claim=cross.id, says="others stay", denies="others move")
    both = {record.id: record for record in judged([same, cross])}
    assert "since there is no firm effect to compare with" in answers.tell(sentence, both).text
    shared = dataclasses.replace(same, ci_method=SHARED, verdict=NOT_COMPARABLE)
    text = answers.tell(OfClaim(claim=same.id, says="it passes", denies="it does not"), {same.id: shared}).text
    assert text.startswith("Whether it passes cannot be judged, since its runs share one draw:")


def test_a_claim_that_was_not_recorded_is_said_to_be_missing():
    told = answers.tell(OfClaim(claim="owl.numbers.hard.same_init", says="it passes", denies="it does not"), {})
    assert told == answers.Told("Whether it passes was not measured here.")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=6))
def test_a_mean_of_a_table_agrees_with_its_bound(values):
    table = pd.DataFrame({"draw": range(len(values)), "measure": "solved", "value": values}, dtype=object)
    sentence = OfTable(table="health", measure="solved", least=0.5, says="it solves", denies="it fails")
    text = answers.tell_mean(sentence, table).text
    if not values:
        assert text == "Whether it solves was not measured here."
    else:
        assert text.startswith("It solves" if sum(values) / len(values) >= 0.5 else "It fails")
    assert answers.tell_mean(sentence, None).text == "Whether it solves was not measured here."


# --- the words ------------------------------------------------------------------------------------


def test_every_chapter_has_a_question_and_some_sentences_on_claims_of_its_own():
    notebooks = {path.stem: json.loads(path.read_text()) for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert answers.words().keys() == notebooks.keys()
    for notebook, words in answers.words().items():
        assert 3 <= len(words.sentences) <= 5 and words.question.endswith("?")
        shown = [cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in notebooks[notebook]["cells"]]
        assert words.figure in [figure.get("name") for figure in shown]
        claimed = [load_claims()[s.claim].notebook for s in words.sentences if isinstance(s, OfClaim)]
        assert set(claimed) <= {notebook}


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: getattr(s, "claim", getattr(s, "measure", "")))
def test_clauses_are_short_plain_and_hold_no_number(sentence):
    clauses = [clause for clause in (sentence.says, sentence.denies) if clause]
    assert not re.search(r"\d", getattr(sentence, "unit", ""))
    for clause in clauses:
        assert clause[0].islower() and clause[-1].isalpha() and not re.search(r"\d", clause)
        assert len(clause.split()) <= 22
        assert not any(hedge in clause for hedge in HEDGES)
    if isinstance(sentence, OfClaim):
        predicts = load_claims()[sentence.claim].predict.kind != "informative"
        assert len(clauses) == 1 + predicts
    assert len(set(clauses)) == len(clauses) and not sentence.denies or sentence.denies not in sentence.says


def test_a_notebook_shows_the_published_answer_or_says_what_is_missing(tmp_path):
    for notebook in answers.words():
        published = answers.published_answer(notebook, ROOT / "results/nano")
        assert published._repr_markdown_().startswith(f"**{answers.words()[notebook].question}**")
        nothing = answers.published_answer(notebook, tmp_path)
        assert [s.text.endswith("was not measured here.") for s in nothing.sentences] == [True] * len(nothing.sentences)
    assert answers.published_answer("10_drinks", tmp_path) is None
