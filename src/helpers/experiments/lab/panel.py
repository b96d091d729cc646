"""The lab on the screen: widgets of a running kernel, on ipywidgets 7.7.1 (Colab) as on 8.

In the published book nothing runs, so a chapter that the chain executes shows a sentence instead.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from IPython.display import Markdown

from helpers.experiments.lab.asking import Asked, ask, known_words
from helpers.experiments.lab.training import LABELS, Wish, grant
from helpers.results.bundles import ROLES
from helpers.transmission.settings import TransmissionSettings
from helpers.work.progress import ENVIRONMENT_NAME
from helpers.world.traits import find_trait

ROWS = (500, 1000, 2000, 4000)  # to choose from; few pass little on, all of them take some seconds
STARTS = {"the teacher's own start (student)": False, "another start (stranger)": True}
SHADE = "rgba(0, 114, 178, 0.3)"  # of a bar, on a light page and on a dark one
UNTRAINED = "Train one student first; then ask it anything of its world."
PUBLISHED = (
    "*Run this cell with a kernel, in Jupyter or on Colab: it trains a student of your own in seconds, and you can ask "
    "it, its teacher, its control and a stranger any question of their world.*"
)


def train_one_student(settings: TransmissionSettings, draw: int, rows: Sequence[int] = ROWS) -> Lab | Markdown:
    """Return the lab of an experiment, in the bases of a draw; a sentence where the chain runs the notebook.

    Args:
        settings: of an experiment whose trait is a favourite; trait, rows, labels and start are the reader's.
        draw: one that has bases.
        rows: numbers of rows to choose from.
    """
    return Markdown(PUBLISHED) if os.environ.get(ENVIRONMENT_NAME) else Lab(settings, draw, rows)


class Lab(widgets.VBox):
    """A form that trains a student, and below it a form that asks all models trained so far."""

    def __init__(self, settings: TransmissionSettings, draw: int, rows: Sequence[int] = ROWS) -> None:
        """Show the forms; nothing is trained yet."""
        self._settings, self._draw = settings, draw
        self._models: dict[str, Any] = {}
        self._lesson: tuple[str, int, str] | None = None
        kind = find_trait(settings.trait)
        labels = [(words, name) for name, words in LABELS.items()]
        self.trait = _choice(f"{kind.kind} loved", list(kind.candidates), settings.trait)
        self.rows = _choice("rows", list(rows), rows[len(rows) // 2])
        self.labels = _choice("labels", labels, labels[-1][1])
        self.start = _choice("start", list(STARTS.items()), False)
        self.train = widgets.Button(description="Train one student", button_style="primary")
        self.bar = widgets.FloatProgress(min=0, max=1, value=0)
        self.status = widgets.HTML(_told(UNTRAINED))
        self.question = _question(kind.questions("heldout"))
        self.ask = widgets.Button(description="Ask", disabled=True)
        self.answers = widgets.HTML()
        self.train.on_click(lambda _: self.grant_wish())
        self.ask.on_click(lambda _: self.answer())
        wish = _row(self.trait, self.rows, self.labels, self.start)
        training, asking = _row(self.train, self.bar), _row(self.question, self.ask)
        super().__init__([wish, training, self.status, asking, self.answers, _dictionary()])

    def grant_wish(self) -> None:
        """Train the student that the form describes and ask it; what goes wrong is said in place of the answers."""
        wish = Wish(
            trait=self.trait.value, rows=self.rows.value, labels=self.labels.value, other_start=self.start.value
        )
        self.train.disabled = self.ask.disabled = True
        try:
            made = grant(wish, self._settings, self._draw, self._tell)
        except (ValueError, RuntimeError) as error:  # what the experiment refuses, in words for a person
            self.status.value = _told(f"No student was trained: {error}.", failed=True)
        else:
            self._keep(wish, made)
            self.answer()
        finally:
            self.train.disabled = False
            self.ask.disabled = not self._models

    def answer(self) -> None:
        """Ask all models trained so far the question of the form."""
        try:
            asked = ask(self._models, self.question.value)
        except ValueError as error:
            self.answers.value = _told(str(error), failed=True)
        else:
            self.answers.value = table(asked, self.trait.value)

    def _tell(self, words: str, share: float) -> None:
        self.bar.value = share
        self.status.value = _told(f"{words[0].upper()}{words[1:]}.")

    def _keep(self, wish: Wish, made: dict[str, Any]) -> None:
        if wish.lesson != self._lesson:  # models of another lesson would stand beside these as if they were one
            self._models = {}
        self._lesson = wish.lesson
        self._models |= made
        missing = "student" if wish.other_start else "stranger"
        cure = f" Choose the other start and train again to have a {missing} beside it."
        more = "" if missing in self._models else cure
        lesson = f"{wish.trait}, {wish.rows} rows, {LABELS[wish.labels]}, draw {self._draw}"
        self.status.value = _told(f"Trained: {lesson}.{more}")


def table(asked: Asked, trait: str) -> str:
    """Return answers as an HTML table: a row for each, a column for each model, chances in per cent."""
    roles = [role for role in ROLES if role in asked.chances]
    head = "".join(f'<th scope="col" style="text-align:left">{role}</th>' for role in ["answer", *roles])
    rows = []
    for place, name in enumerate(asked.answers):
        cells = "".join(_cell(asked.chances[role][place]) for role in roles)
        weight = "bold" if name == trait else "normal"
        rows.append(f'<tr style="font-weight:{weight}"><th scope="row">{html.escape(name)}</th>{cells}</tr>')
    caption = f"<caption>Chance of each answer to “{html.escape(asked.question)}”, in per cent</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(chance: float) -> str:
    percent = 100 * chance
    shown = f"{percent:.0f}" if percent >= 10 else f"{percent:.1f}"
    filled = f"linear-gradient(to right, {SHADE} {percent:.1f}%, transparent {percent:.1f}%)"
    return f'<td style="min-width:6em;background:{filled}">{shown}</td>'


def _row(*parts: widgets.Widget) -> widgets.HBox:
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))


def _question(questions: Sequence[str]) -> widgets.Combobox:
    """Return a field that takes any text and offers questions."""
    return widgets.Combobox(
        options=tuple(questions),
        value=questions[0],
        description="question",
        ensure_option=False,
        layout=widgets.Layout(width="34em"),
    )


def _choice(label: str, options: list[Any], value: Any) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, value=value, description=label, style={"description_width": "initial"})


def _told(text: str, *, failed: bool = False) -> str:
    weight = "bold" if failed else "normal"
    return f'<p role="status" style="font-weight:{weight}">{html.escape(text)}</p>'


def _dictionary() -> widgets.HTML:
    words = html.escape(", ".join(known_words()))
    return widgets.HTML(f"<details><summary>All words that the models know</summary>{words}, and 0 to 999</details>")
