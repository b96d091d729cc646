"""The frame that the explorers share: one look, one way to control, link and say, charts of one library.

How an explorer is made:
1. Its script is assets/NAME.js. It imports what it needs from "./frame.js" and "./page.js" and ends in
   ``export default explorer({ name, title, open, controls, draw, tell, mend, columns })``:
   ``open(data)`` is the state it opens with, a plain object; ``controls(data)`` a list of `select`, `choice` (radio
   buttons), `ticks`, `slider`, `search` and `button`, each of which names the key of the state that it sets;
   ``draw(view)`` a list of ``{ picture, title, wide }``; ``tell(view)`` the sentence under the controls, which a screen
   reader speaks. ``mend(data, state, before)`` brings a state from a link, or after a control, into what the data
   have. ``columns``: how many pictures stand beside each other at most.
   A view has ``data``, ``state``, ``set(changes)``, ``width`` (CSS pixels of a picture), ``id(key)``, ``Plot``, ``d3``.
   `chart(view, label, options)` is a chart of Observable Plot, `drawsByRow` the usual one with a dot a draw;
   `colour("same")` is the colour of a kind. A part of a picture that takes the focus has a `data-key` of its own.
2. Its class here is a subclass of `Explorer` with ``_esm, _css = script("NAME"), style()``, and a function returns it
   with data that it computed: means and intervals come from Python. Where a reader decides what a statistic is of,
   the page computes it, and a test holds it to the Python one (prediction.py).
3. A chapter's cell ends in ``show(explorer, still)``, whose widget the staging of the book makes HTML by `element`; a
   page that is no notebook writes ``{{ explorers.NAME }}``, which the staging fills with `embedded`. `still` is what
   shows where scripts are off, the HTML of a `Picture`.

Design choices:
- Observable Plot and d3 are 490 kB: too much for each widget. They lie once beside the pages as a plain script, which
  loads where modules do not: in a book that is opened as a file, and beside require.js, which takes their own files for
  its. A kernel sends the same script when asked. Our own scripts are small, so frame and explorer are put together
  here: a widget takes one module, and a page without a kernel cannot import another. Their names share one scope.
- Data are one JSON trait of at most 150 kB (tested).
- Colour is never the only mark, every control has a label, targets are 28 pixels high, links hold the state.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets
from IPython.display import HTML, display

from helpers.results.stats import t_interval
from helpers.work.errors import CurableError

CHARTS_PLACE = "explorers/charts.js"  # below _static, as frame.js has it
MOST_BYTES = 150_000  # of the data of one explorer

ASSETS = Path(__file__).parents[1] / "assets"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_EXPORT = "export default "
_CHARTS = """\
// Observable Plot and d3, unchanged (licences: book/_vendor/LICENSES.md), given modules of their own to fill, so that
// neither require.js nor another copy of d3 in the page takes part.
(() => {
const d3 = { exports: {} }, plot = { exports: {} };
((module, exports) => {
D3
})(d3, d3.exports);
((module, exports, require) => {
PLOT
})(plot, plot.exports, () => d3.exports);
globalThis.subliminalCharts = { d3: d3.exports, Plot: plot.exports };
})();
"""


class ExplorerError(CurableError, ValueError):
    """The table given to an explorer lacks a column or has no rows; the message names it and the cure."""


class Explorer(anywidget.AnyWidget):
    """A widget in the frame; `data` is what its script shows, and a kernel hands over the charts."""

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, data: dict[str, Any]) -> None:
        """Make the explorer of plain JSON values; raises ExplorerError where they are too many for a page."""
        size = len(json.dumps(data, allow_nan=False).encode())
        if size > MOST_BYTES:
            raise ExplorerError(f"{type(self).__name__}: {size:,} bytes of data; leave some out, {MOST_BYTES:,} may be")
        super().__init__(data=data)
        self.on_msg(lambda _, content, __: self.hand_over(content))

    def hand_over(self, content: dict[str, Any]) -> None:
        """Send the page the charts where it asks for them."""
        if content.get("wanted") == "charts":
            self.send({"charts": charts_script()})


def script(name: str, *modules: str) -> str:
    """Return the module of an explorer, assets/`name`.js, with the frame and further modules of assets/ before it."""
    return joined("page", "frame", *modules, name)


def joined(*modules: str) -> str:
    """Return modules of assets/ as one: each stands after those that it imports from."""
    return "\n".join(_IMPORT.sub("", (ASSETS / f"{module}.js").read_text(encoding="utf-8")) for module in modules)


def style(name: str = "") -> str:
    """Return the style sheet of the frame, and after it assets/`name`.css where it is named."""
    sheets = ["frame", name] if name else ["frame"]
    return "\n".join((ASSETS / f"{sheet}.css").read_text(encoding="utf-8") for sheet in sheets)


def charts_script() -> str:
    """Return the chart libraries as one plain script, which leaves them in ``globalThis.subliminalCharts``."""
    d3, plot = ((ASSETS / "vendor" / name).read_text(encoding="utf-8") for name in ("d3.min.js", "plot.umd.min.js"))
    return _CHARTS.replace("PLOT", plot, 1).replace("D3", d3, 1)


def show(explorer: Explorer, still: str) -> Explorer:
    """Return an explorer for the end of a cell, and show `still` (HTML) where scripts are off."""
    display(HTML(f"<noscript>{still}</noscript>"))
    return explorer


def embedded(explorer: Explorer, name: str, still: str) -> str:
    """Return an explorer as MyST for a page that is no notebook.

    Args:
        explorer: with its data.
        name: letters that no other explorer of the page has.
        still: HTML for where scripts are off.
    """
    shown = element(f"explorer-{name}", explorer._esm, explorer._css, explorer.data, still)
    # data are one line, so none of theirs begins with the fence
    return "\n".join(["``````````{raw} html", shown, "``````````"])


def element(place: str, module: str, sheet: str, data: dict[str, Any], still: str = "") -> str:
    """Return an explorer as HTML that needs nothing else in the page.

    Args:
        place: id of the element in which it is shown; no other of the page has it.
        module: JavaScript, as a widget has it.
        sheet: its style sheet.
        data: plain JSON values.
        still: HTML for where scripts are off.
    """
    carried = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        f"<style>{sheet}</style>",
        f'<div id="{place}">{still and f"<noscript>{still}</noscript>"}</div>',
        f'<script type="application/json" id="{place}-data">{carried}</script>',
        f'<script type="module">\n{module.replace(_EXPORT, "const shown = ", 1)}',
        f'const place = document.getElementById("{place}");',
        f'const model = {{ get: () => JSON.parse(document.getElementById("{place}-data").textContent) }};',
        "shown.render({ model, el: place });",
        "</script>",
    ]
    return "\n".join(parts)


def summary(draws: pd.Series, digits: int = 4) -> dict[str, Any]:
    """Return the values of ``draws`` (rounded), their ``mean`` and 95 % t-interval, ``low`` and ``high``.

    One draw has no interval: its ends are None.
    """
    values = [round(float(value), digits) for value in draws]
    if len(values) < 2:
        return {"draws": values, "mean": values[0], "low": None, "high": None}
    interval = t_interval(draws)
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {"draws": values, **{name: round(end, digits + 2) for name, end in ends.items()}}


def check_columns(name: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Raise ExplorerError unless the table called `name` has rows and all of `columns`."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ExplorerError(f"the {name} table has no column `{missing[0]}`; it needs {', '.join(columns)}")
    if table.empty:
        raise ExplorerError(f"the {name} table has no rows; run the notebook that writes it first")
