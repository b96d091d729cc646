"""The ledger: one verdict rule, canonical files, and claims that are all well written."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import recording
from hypothesis import given
from hypothesis import strategies as st

from helpers.results import ledger
from helpers.results.claims import (
    CLAIMS_FILE,
    KINDS,
    ClaimError,
    Prediction,
    find_claim,
    load_claims,
    obstacle,
    settle,
    verdict,
)
from helpers.results.ledger import LedgerError, Record
from helpers.work.artifacts import ArtifactError

OWL, CROSS, NOTEBOOK = "owl.numbers.soft.same_init", "owl.numbers.soft.cross_init", "01_owl_transfer"
SEEDS = [0, 1, 2, 3, 4]
FIXED_IDS = """
    owl.numbers.soft.same_init owl.numbers.soft.cross_init owl.numbers.soft_leaky.cross_init
    owl.numbers.hard.same_init owl.numbers.hard.cross_init owl.numbers.hard.shuffled_within
    owl.numbers.hard.shuffled_across owl.numbers.in_context owl.numbers.system_prompt owl.numbers.hard.full
    animals.specificity owl.code.same_init trees.numbers.same_init misalignment.teacher
    evasion.numbers.same_init manipulation.numbers.same_init crossmodel.diagonal crossmodel.offdiagonal
    mnist.reference mnist.teacher mnist.aux_only mnist.all_logits mnist.cross_aux mnist.cross_all
    theorem.positive_fraction theorem.slope detect.row_auc detect.set_auc defence.best
""".split()


def write(run_dir, values=(1.0, 1.2, 0.9, 1.1, 1.3), claim_id=OWL, **changes):
    """Record one claim with sensible defaults."""
    defaults = {"notebook": NOTEBOOK, "seeds": SEEDS[: len(values)], "params": {"rows": 10}, "seconds": 1.23}
    return recording.record(run_dir, claim_id=claim_id, run_values=values, **(defaults | changes))


# --- the verdict rule -------------------------------------------------------------------------

RULE = [
    (Prediction("above", 0), 1.0, (0.1, 1.9), "replicates"),
    (Prediction("above", 0), 1.0, (0.0, 2.0), "partly"),
    (Prediction("above", 0), 0.0, (-1.0, 1.0), "does not replicate"),
    (Prediction("above", 0), -1.0, (-2.0, 0.5), "does not replicate"),
    (Prediction("below", 0.5), 0.2, (0.1, 0.3), "replicates"),
    (Prediction("below", 0.5), 0.4, (0.1, 0.7), "partly"),
    (Prediction("below", 0.5), 0.6, (0.4, 0.8), "does not replicate"),
    (Prediction("within", 0.4), 0.0, (-0.4, 0.4), "replicates"),
    (Prediction("within", 0.4), 0.3, (0.1, 0.5), "partly"),
    (Prediction("within", 0.4), -0.5, (-0.6, -0.3), "does not replicate"),
    (Prediction("within", 0.05, 0.1), 0.11, (0.06, 0.14), "replicates"),
    (Prediction("within", 0.05, 0.1), 0.01, (0.0, 0.02), "does not replicate"),
    (Prediction("informative"), 9.0, (8.0, 10.0), "informative"),
]


@pytest.mark.parametrize(("predict", "value", "ci", "expected"), RULE)
def test_verdict_rule(predict, value, ci, expected):
    assert verdict(value, ci, 5, predict) == expected


@pytest.mark.parametrize(("predict", "value", "ci", "expected"), RULE)
def test_fewer_than_five_runs_judge_nothing(predict, value, ci, expected):
    assert verdict(value, ci, 4, predict) == (
        "informative" if expected == "informative" else "not comparable"
    )


OURS = {"replicates": "as predicted", "does not replicate": "not as predicted"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("predict", "value", "ci", "expected"), RULE)
def test_only_claims_of_the_paper_replicate(predict, value, ci, expected, kind):
    words = expected if kind in ("primary", "paper") else OURS.get(expected, expected)
    assert verdict(value, ci, 5, predict, kind) == words


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(-3, 3))
def test_above_and_below_are_mirror_images(value, half, threshold):
    ci, mirrored = (value - half, value + half), (-value - half, -value + half)
    above = verdict(value, ci, 9, Prediction("above", threshold))
    assert above == verdict(-value, mirrored, 9, Prediction("below", -threshold))


@pytest.mark.parametrize(
    "fields",
    [("over", 1), ("above",), ("informative", 1), ("within", 0), ("within", -1), ("above", None, 0.0, "mnist.teacher")],
)
def test_predictions_that_the_rule_cannot_judge_are_refused(fields):
    with pytest.raises(ClaimError, match="predict"):
        Prediction(*fields)


# --- a margin that another record gives ----------------------------------------------------------

THIRD = Prediction("within", third_of=OWL)


def reference(value=3.0, low=1.0, n_runs=5):
    return SimpleNamespace(value=value, ci=(low, 2 * value - low), n_runs=n_runs)


@given(st.floats(0.1, 5), st.floats(-2, 2), st.floats(0, 2))
def test_no_effect_means_within_a_third_of_the_effect_named(effect, value, half):
    ci = (value - half, value + half)
    settled = settle(THIRD, reference(effect, low=effect / 10))
    assert settled.threshold == pytest.approx(effect / 3)
    assert verdict(value, ci, 5, settled) == verdict(value, ci, 5, Prediction("within", effect / 3))
    # a larger effect never makes a control look worse
    order = ["replicates", "partly", "does not replicate"]
    wider = verdict(value, ci, 5, settle(THIRD, reference(2 * effect, low=effect / 10)))
    assert order.index(wider) <= order.index(verdict(value, ci, 5, settled))


@pytest.mark.parametrize(("found", "why"), [(None, "was not measured"), (reference(low=0.0), "is not above 0 itself"),
                                            (reference(-3.0, low=-4.0), "is not above 0 itself"),
                                            (reference(n_runs=4), "too few runs")])  # fmt: skip
def test_without_an_effect_there_is_no_margin(found, why):
    assert settle(THIRD, found) == THIRD and why in obstacle(THIRD, found)
    assert verdict(0.0, (-0.1, 0.1), 9, settle(THIRD, found)) == "not comparable"


def test_a_third_follows_the_record_it_is_taken_from(tmp_path):
    small = [-0.1, 0.0, 0.1, 0.05, -0.05]
    assert write(tmp_path, small, CROSS).verdict == "not comparable"
    assert f"{OWL} was not measured" in ledger.table(tmp_path).prediction[CROSS]
    write(tmp_path)
    assert {r.id: r.verdict for r in ledger.load(tmp_path)}[CROSS] == "as predicted"
    assert f"within ±0.367 (a third of {OWL})" == ledger.table(tmp_path).prediction[CROSS]
    write(tmp_path, [-1.0, 0.1, 0.2, 0.3, 0.4])
    found = ledger.load(tmp_path)
    assert {r.id: r.verdict for r in found}[CROSS] == "not comparable" and ledger.check(found) == []
    assert "is not above 0 itself" in ledger.sentence(found[0], found)


# --- claims -----------------------------------------------------------------------------------


def test_every_fixed_id_has_a_claim():
    students = [f"misalignment.{c}.{a}" for c in ("numbers", "code", "cot")
                for a in ("same_init", "cross_init", "control")]  # fmt: skip
    assert set(load_claims()) >= {*FIXED_IDS, *students}


@pytest.mark.parametrize("claim", load_claims().values(), ids=lambda c: c.id)
def test_claim_reads_as_a_statement(claim):
    assert claim.claim[0].isupper() and claim.claim.endswith(".")
    assert claim.paper is None or len(claim.paper["source"]) > 20
    if claim.metric == "log_odds_vs_control":
        assert claim.unit == "nats"


def test_primary_claims_were_chosen_before_the_run():
    own = [f"owl.numbers.{labels}.{what}" for labels in ("hard", "soft") for what in ("same_init", "same_minus_cross")]
    risky = [f"misalignment.{channel}.{what}" for channel in ("numbers", "code", "cot")
             for what in ("same_init", "same_minus_cross")]  # fmt: skip
    primary = {claim.id for claim in load_claims().values() if claim.kind == "primary"}
    assert primary == {*own, *risky, "owl.numbers.system_prompt"}


def test_no_effect_is_a_third_of_the_same_start_wherever_a_start_or_a_control_is_compared():
    last = ("cross_init", "control", "lesson")
    for claim in load_claims().values():
        if claim.id.split(".")[-1] in last and claim.predict.kind == "within":
            same = claim.id.rpartition(".")[0]  # the ids of a prompted teacher do not name the same start
            same += "" if same.endswith("system_prompt") else ".same_init"
            assert claim.predict.third_of == same, claim.id
            assert load_claims()[claim.predict.third_of].predict == Prediction("above", 0)
    assert not [name for name in load_claims() if ".quarter." in name]


def test_unknown_claim_lists_its_neighbours():
    with pytest.raises(ClaimError, match="mnist.aux_only"):
        find_claim("mnist.aux")


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        ("owl.numbers.soft.cross_init:", "owl.numbers.soft.same_init:", "given twice"),
        ("  unit: nats\n", "", "unit"),
        ("  unit: nats\n", "  unit: nats\n  units: nats\n", "units"),
        ("    value: 2.4\n", "", "paper"),
        ("    value: 2.4\n", "    value: about two\n", "paper"),
        ("    rates: [0.092, 0.008]\n", "    rates: [9.2, 0.8]\n", "rates"),
        ("    rates: [0.092, 0.008]\n", "    rates: 0.092\n", "rates"),
        ("kind: above", "kind: more", "predict.kind"),
        ("third_of: owl.numbers.soft.same_init", "third_of: owl.no.such", "third_of"),
        ("  kind: primary\n", "", "kind"),
        ("  kind: primary\n", "  kind: main\n", "kind"),
    ],
)
def test_badly_written_claims_are_refused(tmp_path, find, replace, message):
    copy = tmp_path / "claims.yaml"
    copy.write_text(CLAIMS_FILE.read_text().replace(find, replace, 1))
    with pytest.raises(ClaimError, match=message):
        load_claims(copy)


# --- records ----------------------------------------------------------------------------------


def test_record_has_the_fields_of_the_contract_and_is_on_disk(tmp_path):
    made = write(tmp_path)
    names = "id claim notebook metric unit value ci ci_method n_runs seeds control paper kind verdict seconds"
    assert [f.name for f in dataclasses.fields(Record)] == [*names.split(), "params_sha256"]
    assert ledger.load(tmp_path) == ledger.load(tmp_path / "ledger.json") == [made]
    assert (made.value, made.verdict, made.n_runs, made.seconds) == (1.1, "replicates", 5, 1.2)
    assert len(made.params_sha256) == 64


def test_ledger_is_the_sorted_union_of_all_notebooks(tmp_path):
    write(tmp_path)
    write(tmp_path, claim_id="mnist.teacher", notebook="06_mnist", values=[0.94, 0.95, 0.94, 0.93, 0.94])
    write(tmp_path, claim_id=CROSS)
    assert [r.id for r in ledger.load(tmp_path)] == ["mnist.teacher", CROSS, OWL]
    assert sorted(p.name for p in (tmp_path / "records").iterdir()) == [
        "01_owl_transfer.json",
        "06_mnist.json",
    ]


def test_equal_runs_give_equal_bytes_but_for_seconds(tmp_path):
    noise = 1e-13
    for folder, shift in (("a", 0.0), ("b", noise)):
        for claim_id in (OWL, CROSS) if folder == "a" else (CROSS, OWL):
            write(tmp_path / folder, [v + shift for v in (0.1, 0.2, 0.3, 1 / 3, 0.5)], claim_id)
    a, b = ((tmp_path / f / "ledger.json").read_bytes() for f in "ab")
    assert a == b
    keys = list(json.loads(a)[0])
    assert keys == sorted(keys)


def test_recording_again_replaces_and_forgetting_removes(tmp_path):
    write(tmp_path)
    write(tmp_path, [2.0, 2.1, 2.2, 2.3, 2.4])
    assert [r.value for r in ledger.load(tmp_path)] == [2.2]
    ledger.forget(tmp_path, NOTEBOOK)
    assert ledger.load(tmp_path) == []
    ledger.forget(tmp_path / "nowhere", NOTEBOOK)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path, bad):
    with pytest.raises(LedgerError, match="finite"):
        write(tmp_path, [1, 2, 3, 4, bad])
    with pytest.raises(LedgerError, match="finite"):
        write(tmp_path, seconds=bad)
    assert not (tmp_path / "ledger.json").exists()


@pytest.mark.parametrize("seeds", [[0, 1], [0, 1, 2, 3, 3]])
def test_runs_must_be_independent_seeds(tmp_path, seeds):
    with pytest.raises(LedgerError, match="distinct seed"):
        write(tmp_path, seeds=seeds)


def test_one_run_has_no_interval(tmp_path):
    with pytest.raises(LedgerError, match="at least 2 runs"):
        write(tmp_path, [1.0])


def test_a_claim_belongs_to_its_notebook(tmp_path):
    with pytest.raises(ClaimError, match="06_mnist"):
        write(tmp_path, claim_id="mnist.teacher")


def test_values_without_a_claim_of_the_notebook_are_left_out(tmp_path):
    values = dict.fromkeys([OWL, "raven.numbers.soft.same_init", "owl.code.soft.same_init", "mechanism.hops.6"], [1, 2])
    assert ledger.claimed(NOTEBOOK, values) == {OWL: [1, 2]}
    assert ledger.table(tmp_path, []).empty  # where nothing has a claim, there is not even a ledger


def test_damaged_ledgers_are_reported_not_repaired(tmp_path):
    write(tmp_path)
    file = tmp_path / "ledger.json"
    entries = json.loads(file.read_text())
    for wrong in ([{**entries[0], "value": 9.0}], [{**entries[0], "extra": 1}], ["x"], {"a": 1}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(LedgerError, match="run"):
            ledger.load(tmp_path)
    file.write_text("{")
    with pytest.raises(ArtifactError):
        ledger.load(tmp_path)


@pytest.mark.parametrize("huge", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN", "true", '"1"', "null", "[1]"])
def test_a_value_that_is_no_finite_number_is_reported(tmp_path, huge):
    write(tmp_path)
    for file in (tmp_path / "ledger.json", tmp_path / "other.json"):
        text = (tmp_path / "ledger.json").read_text()
        file.write_text(text.replace('"value": 1.1', f'"value": {huge}'))
        with pytest.raises(LedgerError, match=r"not a ledger .*finite"):
            ledger.load(file)


def test_a_ledger_changed_by_hand_is_not_believed_and_is_written_anew(tmp_path):
    write(tmp_path)
    file = tmp_path / "ledger.json"
    before = file.read_bytes()
    file.write_bytes(before.replace(b'"value": 1.1', b'"value": 1.2'))
    for path in (tmp_path, file):
        with pytest.raises(LedgerError, match="not what its notebooks recorded.*subliminal run"):
            ledger.load(path)
    ledger.rebuild(tmp_path)
    assert file.read_bytes() == before
    file.unlink()
    ledger.rebuild(tmp_path)
    assert file.read_bytes() == before
    ledger.rebuild(tmp_path / "nowhere")


def test_a_published_ledger_is_sealed(tmp_path):
    write(tmp_path / "run")
    published = tmp_path / "results/ledger.json"
    published.parent.mkdir()
    published.write_bytes((tmp_path / "run/ledger.json").read_bytes())
    seal = {"ledger_sha256": ledger.ledger_sha256(published)}
    published.with_name("made_by.json").write_text(json.dumps(seal))
    assert len(ledger.load(published)) == 1
    published.write_bytes(published.read_bytes().replace(b'"value": 1.1', b'"value": 1.2'))
    with pytest.raises(LedgerError, match="changed after it was published.*restore it from git"):
        ledger.load(published.parent)


def test_a_ledger_from_before_claims_had_kinds_is_judged_anew(tmp_path):
    made = write(tmp_path)
    before = json.loads((tmp_path / "ledger.json").read_text())[0]
    del before["kind"]
    gone = {**before, "id": "owl.no.such", "verdict": "partly"}
    other = {**before, "id": "owl.numbers.hard.full", "value": 0.2, "ci": [0.1, 0.3], "verdict": "replicates"}
    (tmp_path / "old.json").write_text(json.dumps([before, gone, other]))
    found = ledger.load(tmp_path / "old.json")
    assert found[0] == made
    assert [(r.kind, r.verdict) for r in found[1:]] == [("own", "partly"), ("own", "as predicted")]


def test_runs_that_share_a_draw_judge_nothing(tmp_path):
    made = write(tmp_path, shared_draw=True)
    assert made.verdict == "not comparable" and "share a draw" in made.ci_method
    assert ledger.check([made]) == []
    assert "its runs share a draw" in ledger.table(tmp_path).prediction[OWL]


# --- reading the ledger ------------------------------------------------------------------------


def test_check_finds_a_typed_verdict(tmp_path):
    made = write(tmp_path)
    assert ledger.check([made]) == []
    problems = ledger.check([
        dataclasses.replace(made, verdict="partly"), dataclasses.replace(made, id="no.such"),
        dataclasses.replace(made, unit="percent"), dataclasses.replace(made, kind="own", verdict="as predicted"),
    ])  # fmt: skip
    assert [p.split(":")[0] for p in problems] == [OWL, "no.such", OWL, OWL]


def test_where_a_run_lay_and_how_many_worked_at_it_decides_nothing(tmp_path):
    given = [{"run_dir": place, "rows": 10, "owl": {"workers": many}} for place, many in (("a", 1), ("b", 2))]
    first, second = (write(tmp_path, params=params).params_sha256 for params in given)
    assert first == second != write(tmp_path, params={"rows": 11, "owl": {}}).params_sha256


def test_missing_asks_only_the_notebooks_named(tmp_path):
    record = write(tmp_path)
    missing = ledger.missing([record], ["01_owl_transfer"])
    assert OWL not in missing and CROSS in missing
    assert not [name for name in missing if name.startswith("mnist")]
    assert "mnist.teacher" in ledger.missing([record], ["06_mnist"]) and ledger.missing([record], []) == []


def test_claims_of_a_real_model_are_owed_by_a_run_of_that_model_alone(tmp_path):
    notebook, name = "10_real_model", "real.smollm2.animals.numbers.soft.own_minus_others"
    assert not [lacks for lacks in ledger.missing([], [notebook]) if lacks.startswith("real.")]
    write(tmp_path, claim_id=name, notebook=notebook)
    lacking = ledger.missing(ledger.load(tmp_path), [notebook])
    assert "real.smollm2.animals.numbers.hard.own_minus_others" in lacking and name not in lacking
    assert not [lacks for lacks in lacking if ".qwen" in lacks]
    assert not [lacks for lacks in ledger.missing(ledger.load(tmp_path), [NOTEBOOK]) if lacks.startswith("real.")]


def test_compare_tells_how_two_ledgers_relate(tmp_path):
    a, slow = write(tmp_path), write(tmp_path, seconds=99)
    near, far = (
        dataclasses.replace(a, value=a.value + 0.01),
        dataclasses.replace(a, value=9.0, ci=(8.0, 10.0)),
    )
    for other, expected in ((slow, "identical"), (near, "consistent"), (far, "differs")):
        assert list(ledger.compare([a], [other]).agreement) == [expected]
    assert list(ledger.compare([a], []).agreement) == ["only in first"]
    assert list(ledger.compare([], [a]).agreement) == ["only in second"]
    assert ledger.compare([], []).empty


def test_table_follows_the_order_asked_for(tmp_path):
    write(tmp_path)
    write(tmp_path, [-0.1, 0.0, 0.1, 0.05, -0.05], CROSS)
    shown = ledger.table(tmp_path, [OWL, CROSS])
    assert list(shown.index) == [OWL, CROSS]
    assert list(shown.verdict) == ["replicates", "as predicted"] and list(shown.kind) == ["primary", "own"]
    assert shown.loc[OWL, "95 % interval"] == "0.90 to 1.30"
    with pytest.raises(LedgerError, match="mnist.teacher"):
        ledger.table(tmp_path, ["mnist.teacher"])


def test_sentence_says_verdict_value_and_prediction(tmp_path):
    said = ledger.sentence(write(tmp_path))
    assert said.startswith("Replicates. A student")
    assert "1.10 nats (95 % interval 0.90 to 1.30, 5 runs)" in said and "above 0 nats" in said
    assert "fewer than 5 runs" in ledger.sentence(write(tmp_path, [1.0, 2.0]))
    assert "no prediction" in ledger.sentence(write(tmp_path, claim_id="owl.numbers.soft_leaky.cross_init"))
