"""Widgets of executed notebooks as plain HTML, so that a page needs no code of ipywidgets (3.6 MB) to show them.

A cell that ends in an explorer is live in Jupyter and on Colab. In a page nothing runs: module, style and data, which
the notebook keeps as the state of the widget, are all that the explorer needs, see `frame.element`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helpers.figures.explorers.frame import element
from helpers.work.errors import CurableError

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
_PARTS = ("_anywidget_id", "_esm", "_css", "data")  # what the state of an explorer has


class WidgetError(CurableError, ValueError):
    """A widget cannot be shown without a kernel; the message says which, and the cure."""


def as_pages_show_them(cells: Sequence[Mapping[str, Any]], widgets: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return cells of a notebook whose explorers are HTML.

    Args:
        cells: of an executed notebook.
        widgets: its metadata of that name.

    Raises:
        WidgetError: a cell shows a widget that is no explorer, or one whose state was not kept.
    """
    states, places = widgets.get(STATE, {}).get("state", {}), []
    made = []
    for cell in cells:
        outputs = [_shown(output, states, places) for output in cell.get("outputs", [])]
        made.append({**cell, "outputs": outputs} if outputs else dict(cell))
    return made


def _shown(output: dict[str, Any], states: Mapping[str, Any], places: list[str]) -> dict[str, Any]:
    """Return an output as a page shows it; `places` gets the name of the explorer's place in the page."""
    view = output.get("data", {}).get(VIEW)
    if view is None:
        return output
    state = states.get(view.get("model_id", ""), {}).get("state", {})
    if not all(part in state for part in _PARTS):
        what = state.get("_model_name", "one that was not kept")
        raise WidgetError(f"a page cannot show the widget {what} without a kernel; end the cell in an explorer")
    name = state["_anywidget_id"].rpartition(".")[2]
    places.append(name)
    place = f"explorer-{name}-{places.count(name)}"
    html = element(place, state["_esm"], state["_css"], state["data"])
    return {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
