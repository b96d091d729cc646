"""The page of an audit: one HTML file that stands alone, in light and dark, with a text beside each figure."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from helpers.figures.common import house_style, name_rows, new_figure
from helpers.figures.palette import FAINT, GRID, INK, SERIES
from helpers.work.artifacts import write_text
from helpers.work.escaping import markup

AUROC = "AUROC"
COLOURS = SERIES
BIN = 10  # neighbouring numbers that share a bar
_OUTSIDE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)

# No element of the page may ask another host for anything, whatever text from the data stands in it.
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit of TITLE</title><style>
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --faint: #b5b5b5; --grid: #ececec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e4e4; --paper: #16181b; --faint: #777; --grid: #2c2f34; } }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 56rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; }
th, td { border-bottom: 1px solid var(--faint); padding: .35rem .6rem; text-align: left; vertical-align: top; }
.wide { overflow-x: auto; } small { opacity: .8; }
</style></head><body><main>
"""


def write_page(path: Path, found: dict[str, Any]) -> None:
    """Write the page of an audit.

    Args:
        path: of the HTML file.
        found: the audit as plain values.
    """
    write_text(path, page(found))


def page(found: dict[str, Any]) -> str:
    """Return the page of an audit as HTML."""
    parts = [HEAD.replace("TITLE", _name(found)), f"<h1>Audit of {_name(found)}</h1>"]
    parts += [f"<p>{markup(found['limits'])}</p>", "<h2>Files</h2>", _files(found)]
    parts += ["<h2>What detectors see</h2>", _findings(found["findings"])]
    parts += [_auroc_figure(found["findings"]), _numbers_figure(found["files"])]
    if found["ranking"]:
        parts += [f"<h2>Lines by {markup(found['ranking']['what'])}</h2>", _ranking(found["ranking"])]
    if found["wanting"]:
        items = "".join(f"<li>{markup(text)}</li>" for text in found["wanting"])
        parts.append(f"<h2>Not measured, for want of</h2><ul>{items}</ul>")
    return "\n".join([*filter(None, parts), "</main></body></html>\n"])


def _name(found: dict[str, Any]) -> str:
    return markup(found["files"][0]["name"])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML."""
    lines = ["<tr>" + "".join(f"<th scope=col>{name}</th>" for name in head) + "</tr>"]
    for row in rows:
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>")
    return "<div class=wide><table>" + "\n".join(lines) + "</table></div>"


def _files(found: dict[str, Any]) -> str:
    head = ["file", "rows", "different prompts", "prompts that stood before", "rows that stood before", "no rows"]
    rows = []
    for file in found["files"]:
        counts = [file["rows"], file["prompts"], file["repeated_prompts"], file["repeated_rows"]]
        name = f"{markup(file['name'])} <small>({file['role']})</small>"
        rows.append([name, *(f"{count:,}" for count in counts), _problems(file)])
    shared = found["shared_prompts"]
    if shared is None:
        return _table(head, rows)
    both = f"{shared:,} prompts are in both files, and {found['shared_rows']:,} rows word for word."
    return f"{_table(head, rows)}<p>{both} Detectors are split by prompt.</p>"


def _problems(file: dict[str, Any]) -> str:
    if not file["problems"]:
        return "0"
    reasons = [f"{markup(why)}: {count:,}" for why, count in file["problems"].items()]
    lines = [str(problem["line"]) for problem in file["shown"]]
    return f"{'; '.join(reasons)}<br><small>first lines: {', '.join(lines)}</small>"


def _findings(findings: Sequence[dict[str, Any]]) -> str:
    rows = []
    for finding in findings:
        scores = "<br>".join(map(_score, finding["scores"])) or "no score"
        notes = "".join(f"<br><small>{markup(note)}</small>" for note in finding["notes"])
        rows.append([markup(finding["name"]), markup(finding["knows"]), scores + notes, markup(finding["tells"])])
    return _table(["detector", "has to know", "score [interval]", "what it can and cannot tell"], rows)


def _score(score: dict[str, Any]) -> str:
    numbers = f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
    plain = score["within"].startswith("95 % interval")
    within = "" if plain else f"<br><small>interval: {markup(score['within'])}</small>"
    return f"{markup(score['unit'])}, {markup(score['of'])}: {numbers}{within}"


def _ranking(ranking: dict[str, Any]) -> str:
    rows = []
    for line, score in zip(ranking["lines"], ranking["scores"], strict=True):
        rows.append([f"{line:,}", f"{score:+.3f}"])
    return _table(["line", "score"], rows)


def _auroc_figure(findings: Sequence[dict[str, Any]]) -> str:
    """Return the AUROC of every detector by size of bag; empty where there is none."""
    rows = []
    for finding in findings:
        rows += [(finding["name"], score) for score in finding["scores"] if score["unit"] == AUROC]
    if not rows:
        return ""
    names = list(dict.fromkeys(name for name, _ in rows))
    sizes = list(dict.fromkeys(score["of"] for _, score in rows))
    with house_style():
        figure, (ax,) = new_figure(1.1 + 0.6 * len(names))
        for name, score in rows:
            place = names.index(name) + 0.16 * (sizes.index(score["of"]) - (len(sizes) - 1) / 2)
            colour = COLOURS[sizes.index(score["of"]) % len(COLOURS)]
            ax.plot([score["low"], score["high"]], [place, place], color=colour, linewidth=1.6)
            ax.plot(score["value"], place, "o", color=colour, markersize=5)
        for size, colour in zip(sizes, COLOURS, strict=False):
            ax.plot([], [], "o-", color=colour, label=size)
        ax.axvline(0.5, color=INK, linewidth=0.9)
        ax.set_xlabel("AUROC, 95 % interval over prompts (0.5: cannot tell)")
        name_rows(ax, names)
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        spoken = [f"{name}, {score['of']}: {score['value']:.2f}" for name, score in rows]
        return _figure(figure, "auroc", "How well each detector tells data from reference.", f" {'; '.join(spoken)}.")


def _numbers_figure(files: Sequence[dict[str, Any]]) -> str:
    """Return how often numbers are written, in groups of neighbours; empty where a file has none."""
    counts = [np.array(file["numbers"][:-1], dtype=float) for file in files]
    if min(count.sum() for count in counts) == 0:
        return ""
    with house_style():
        figure, (ax,) = new_figure(2.8)
        for file, count, colour in zip(files, counts, COLOURS, strict=False):
            shares = 100 * count.reshape(-1, BIN).sum(axis=1) / count.sum()
            ax.stairs(shares, np.arange(0, count.size + 1, BIN), color=colour, label=file["role"], linewidth=1.2)
        ax.axhline(100 * BIN / counts[0].size, color=INK, linewidth=0.9)
        ax.set_xlabel(f"number, in groups of {BIN}")
        ax.set_ylabel("% of numbers below 1000")
        ax.legend()
        sns.despine(ax=ax)
        said = "How often each group of ten neighbouring numbers is written; the level line is an even draw."
        return _figure(figure, "numbers", said)


def _figure(figure: Figure, name: str, said: str, more: str = "") -> str:
    """Return a figure as inline SVG that takes the page's colours; `more` is for those who cannot see it."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = _OUTSIDE.sub("", file.getvalue()).replace(INK, "currentColor")
    drawn = drawn.replace(FAINT, "var(--faint)").replace(GRID, "var(--grid)")
    labelled = drawn.replace("<svg ", f'<svg role="img" aria-label="{markup(said + more)}" ', 1)
    return f"<figure>{labelled.strip()}<figcaption><small>{markup(said)}</small></figcaption></figure>"
