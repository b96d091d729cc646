"""Claims are shown in whole sentences with their verdict, and whatever their text holds is shown, not run."""

from html.parser import HTMLParser

import pandas as pd
import pytest
import recording

from helpers.results import ledger
from helpers.results.claims import find_claim, load_claims
from helpers.results.claims_table import ClaimsTable
from helpers.work.escaping import markup

OWL = "owl.numbers.soft.same_init"
HOSTILE = "<script>alert(1)</script> \"x\" & 'y' </table>"


class Cells(HTMLParser):
    """Counts tags and keeps what is shown."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def read(html):
    cells = Cells()
    cells.feed(html)
    return cells


@pytest.fixture
def shown(tmp_path):
    """The table of one recorded claim."""
    recording.record(tmp_path, "01_owl_transfer", OWL, (1.0, 1.2, 1.1, 1.3, 0.9), range(5), {}, 1.0)
    return ledger.table(tmp_path, [OWL])


def test_a_claim_is_not_cut_and_has_its_verdict(shown):
    cells = read(shown._repr_html_())
    assert shown.claim[OWL] in cells.text and len(shown.claim[OWL]) > 50
    assert "1.10 [0.90 to 1.30] nats, 5 draws" in cells.text and OWL in cells.text
    assert '<span class="verdict replicates">replicates</span>' in shown._repr_html_()
    assert cells.tags.count("tr") == 2 and cells.tags.count("td") == 4


def test_an_id_breaks_between_its_words_alone():
    kept = {"value": ["0.5"], "prediction": ["within 0.25 (a third of a.b_c)"], "verdict": ["partly"]}
    html = ClaimsTable({"claim": ["It is."], **kept}, index=["owl.numbers.same_init"])._repr_html_()
    assert "<code>owl.<wbr>numbers.<wbr>same_<wbr>init</code>" in html
    assert "within 0.25 (a third of a.<wbr>b_<wbr>c)" in html and "It is." in html


def test_it_is_an_ordinary_table_otherwise(shown):
    assert isinstance(shown, pd.DataFrame) and shown.loc[OWL, "runs"] == 5
    assert type(shown[["claim", "verdict"]]) is pd.DataFrame


def test_every_text_is_escaped():
    table = ClaimsTable(
        {"claim": [HOSTILE], "value": [HOSTILE], "unit": [HOSTILE], "paper": [HOSTILE], "verdict": [HOSTILE]},
        index=[HOSTILE],
    )
    cells = read(table._repr_html_())
    assert "script" not in cells.tags and cells.tags.count("table") == 1
    assert cells.text.count(HOSTILE) == 6
    assert markup(HOSTILE) in table._repr_html_()


def test_a_single_draw_has_no_interval_and_no_verdict():
    html = ledger.preview({OWL: [1.0]})._repr_html_()
    assert "1.00 [needs two draws] nats" in html and "verdict" not in html


def test_no_claims_make_an_empty_table(tmp_path):
    assert ledger.table(tmp_path, [])._repr_html_().count("<tr>") == 1


def test_guards_and_what_stands_aside_are_folded_below_the_claims(tmp_path):
    ids = ["mnist.reference", "mnist.aux_only", "optimizer.weight_decay", "mnist.teacher"]
    for name in ids:
        notebook = find_claim(name).notebook
        recording.record(tmp_path, notebook, name, (1.0, 1.2, 1.1, 1.3, 0.9), range(5), {}, 1.0)
    shown = ledger.table(tmp_path, ids)
    assert list(shown.sections().values()) == [["mnist.aux_only", "mnist.teacher"], ids[:1], ids[2:3]]
    html = shown._repr_html_()
    assert html.count("<details>") == 2 and html.index("mnist.<wbr>teacher") < html.index("<details>")
    assert "<summary>Guards (1 informative)</summary>" in html
    alone = ledger.table(tmp_path, ids[:1])._repr_html_()
    assert alone.startswith("<details open>") and alone.count("<table") == 1


def test_an_interval_over_animals_does_not_say_draws():
    given = {"claim": ["It is."], "value": ["+1.00"], "95 % interval": ["0 to 2"], "unit": ["nats"], "runs": [6]}
    assert "+1.00 [0 to 2] nats, 6 animals" in ClaimsTable(given | {"over": ["animals"]})._repr_html_()
    assert "nats, 6 draws" in ClaimsTable(given)._repr_html_()
    assert load_claims()["real.smollm2.animals.numbers.soft.over_animals"].over == "animals"
