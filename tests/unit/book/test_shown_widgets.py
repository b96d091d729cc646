"""Explorers of executed notebooks become HTML that needs no widget code; what needs a kernel is refused."""

import json
import re

import pytest

from helpers.book import staging
from helpers.book.shown_widgets import STATE, VIEW
from helpers.book.staging import BookError

SCRIPT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)
HOSTILE = {"name": "</script><script>alert(1)</script> <!-- {{ build }}"}


def explorer(data, name="Plain"):
    """The state of an explorer, as papermill leaves it in a notebook."""
    module = "export default { render() {} };"
    return {"state": {"_anywidget_id": f"helpers.figures.{name}", "_esm": module, "_css": ".ex {}", "data": data}}


def notebook(*models, states):
    """An executed notebook with a cell for each of these models."""
    cells = []
    for model in models:
        view = {"output_type": "display_data", "data": {VIEW: {"model_id": model}, "text/plain": "Plain()"}}
        cells.append(
            {"cell_type": "code", "metadata": {}, "source": "show()", "execution_count": 1, "outputs": [view]}
        )
    return {"cells": cells, "metadata": {"widgets": {STATE: {"state": states}}}}


def html_of(cleaned):
    return ["".join(cell["outputs"][0]["data"]["text/html"]) for cell in cleaned["cells"]]


def test_an_explorer_is_html_that_its_data_cannot_end():
    cleaned = staging.clean(notebook("a", states={"a": explorer(HOSTILE)}), "toy")
    assert "widgets" not in cleaned["metadata"]
    (shown,) = html_of(cleaned)
    scripts = SCRIPT.findall(shown)
    assert [attributes.split('"')[1] for attributes, _ in scripts] == ["application/json", "module"]
    assert json.loads(scripts[0][1]) == HOSTILE and "const shown = { render" in scripts[1][1]


def test_every_explorer_of_a_page_has_a_place_of_its_own():
    states = {"a": explorer({}), "b": explorer({}), "c": explorer({}, "Other")}
    cleaned = staging.clean(notebook("a", "b", "c", "a", states=states), "toy")
    places = [re.search(r'<div id="([^"]*)"', shown).group(1) for shown in html_of(cleaned)]
    assert places == ["explorer-Plain-1", "explorer-Plain-2", "explorer-Other-1", "explorer-Plain-3"]


@pytest.mark.parametrize(
    ("states", "named"), [({"a": {"state": {"_model_name": "SliderModel"}}}, "SliderModel"), ({}, "not kept")]
)
def test_a_widget_that_needs_a_kernel_is_refused_by_name(states, named):
    with pytest.raises(BookError, match=f"notebook toy: .*{named}.*; end the cell in an explorer"):
        staging.clean(notebook("a", states=states), "toy")


def test_a_notebook_keeps_what_is_no_widget():
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "text"}]
    assert staging.clean({"cells": cells, "metadata": {}}, "toy")["cells"] == cells
