"""Every page as people see it: on a wide screen and on a phone, light and dark; by axe-core's rules, and as pictures.

See `visits` for what axe-core and the pictures need.
"""

from pathlib import Path

import pytest
from visits import AXE, BOOK, LOOKS, SCREENSHOTS, pages

pytestmark = pytest.mark.browser
SMALLEST = 9  # CSS pixels of a letter in a figure


@pytest.mark.skipif(not AXE.exists(), reason=f"no axe-core at {AXE} (npm install axe-core@4.14.1, or set AXE_CORE)")
def test_a_page_breaks_no_rule_of_axe(visit):
    assert visit.broken == []


def test_nothing_but_code_is_moved_sideways_and_figures_can_be_read_on_a_phone(visit):
    assert visit.sideways == []
    assert visit.letters >= SMALLEST, "pixels of the smallest letter in a figure"


@pytest.mark.skipif(not BOOK, reason="toys have longer numbers than figures have room for; set BOOK to a whole book")
def test_no_text_of_a_figure_is_cut_off(visit):
    assert visit.cut == []


def test_verdicts_can_be_seen_on_a_wide_page(visit):
    assert visit.hidden_verdicts == 0


@pytest.mark.skipif(not SCREENSHOTS, reason="SCREENSHOTS names no folder to keep pictures in")
def test_a_page_has_its_picture_taken(visit, built_book):
    taken = list(Path(SCREENSHOTS).glob("*.png"))
    assert len([path for path in taken if path.name.startswith(visit.name.replace("/", "_").replace(".", "_"))]) == 4
    assert len(taken) <= len(LOOKS) * len(pages(built_book)), "pictures of another book lie there"
