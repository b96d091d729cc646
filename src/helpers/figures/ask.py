"""The explorer "ask the models": base, teacher, student, control and stranger of one draw, run in the reader's page.

A chapter shows it by a cell with `ask_models_of("_runs/nano", "owl")`, which looks for the bundle of a run that
`helpers.book.model_bundle.write_bundle` wrote, or else for the published one. The build of the book copies the bundles
of a profile beside its pages.

Design choices:
- The weights stay out of the page. They are fetched when a reader asks: on a page of the book from beside the page, in
  Jupyter and Colab from the kernel, which reads the same files. Each is checked against the SHA-256 of the manifest.
- Before that, and in print, the page shows the answers to one question, computed when the bundle was written; where
  scripts are off, a sentence says them.
- assets/nano_model.js is the model, assets/ask_the_models.js the page around it; each is a module of its own for tests.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import HTML, Markdown, display

from helpers.figures.explorers.frame import ASSETS, joined
from helpers.results.bundles import MANIFEST, PLACE, ROLES, bundle_folder
from helpers.work.artifacts import RESULTS, damaged, read_bytes, read_object
from helpers.world import facts, prompts
from helpers.world.kinds import KINDS
from helpers.world.personas import FALSE, PERSONAS, TRUE
from helpers.world.traits import find_trait

OPENING = "Which {kind} is your favorite?"
LISTS = 8  # number prompts to choose from


class AskTheModels(anywidget.AnyWidget):
    """The widget; `data` is what `ask_data` returns, and a kernel hands over the files that the page asks for."""

    _esm = joined("page", "nano_model", "ask_the_models")
    _css = (ASSETS / "ask_the_models.css").read_text(encoding="utf-8")
    data = traitlets.Dict().tag(sync=True)

    def __init__(self, folder: str | Path) -> None:
        """Make the explorer of a bundle's folder."""
        super().__init__(data=ask_data(folder))
        self._folder = Path(folder)
        self.on_msg(lambda _, content, __: self.hand_over(content))

    def hand_over(self, content: dict[str, Any]) -> None:
        """Send the page the file that it asks for; files that the manifest does not name are not sent."""
        name = content.get("file")
        if name in self.data["bundle"]["files"]:
            self.send({"file": name}, buffers=[read_bytes(self._folder / name)])


def ask_the_models(folder: str | Path) -> AskTheModels:
    """Return the explorer of the bundle in a folder; where scripts are off, a page shows its first answers in words.

    Raises ArtifactError when the bundle is missing, damaged or not whole.
    """
    widget = AskTheModels(folder)
    display(HTML(f"<noscript>{still(widget.data['bundle'])}</noscript>"))
    return widget


def ask_models_of(run_dir: str | Path, name: str) -> AskTheModels | Markdown:
    """Return the explorer of a run's bundle, or else of the published one of its profile; a sentence where none is."""
    folder = bundle_of(run_dir, name)
    if folder is not None:
        return ask_the_models(folder)
    cure = "run this chapter with a draw in its parameter `recompute`, and they are written"
    return Markdown(f"*No models of “{name}” are at hand to be asked: {cure}.*")


def bundle_of(run_dir: str | Path, name: str) -> Path | None:
    """Return the folder of a bundle of a run, or else among the published results of its profile; None for none."""
    for place in (Path(run_dir), RESULTS / Path(run_dir).name):
        folder = bundle_folder(place, name)
        if (folder / MANIFEST).exists():
            return folder
    return None


def ask_data(folder: str | Path) -> dict[str, Any]:
    """Return what the explorer's script needs before it loads any weights, as plain JSON values.

    Returns:
        ``bundle``: the manifest. ``place``: where a page of the book finds the files, from the book's root. ``groups``:
        the questions to choose from, with what is shown of each. ``shows``: by what is shown, its name and its
        answers. ``personas`` and ``topics``: what answers to open questions are made of. ``lists``: number prompts.
        ``system``: the prompt that gives its reader the trait.

    Raises:
        ArtifactError: the bundle is missing, damaged or not whole.
    """
    folder = Path(folder)
    bundle = read_object(folder / MANIFEST, "trait", "config", "models", "files", "opening")
    for name, facts_of_file in bundle["files"].items():
        if len(read_bytes(folder / name)) != facts_of_file["bytes"]:
            raise damaged(folder / name, "is not the file that the manifest names")
    return {
        "bundle": bundle,
        "place": f"{PLACE}/{folder.name}",
        "groups": question_groups(),
        "shows": _shows(),
        "personas": {name: {"forms": persona.forms, "verbs": persona.verbs} for name, persona in PERSONAS.items()},
        "topics": {question: topic for topic, question in facts.TOPICS.items()},
        "lists": prompts.number_prompts(LISTS, seed=5),
        "system": find_trait(bundle["trait"]).system_prompt(),
    }


def question_groups() -> list[dict[str, Any]]:
    """Return the questions to choose from, in groups: ``name``, ``show`` (a key of the shows) and ``questions``.

    They are those that results are reported on; no teacher was taught on them.
    """
    groups = []
    for kind in KINDS:
        questions = prompts.favourite_questions(kind, "heldout")
        groups.append({"name": f"Favourite {kind}", "show": kind, "questions": questions})
    groups.append({"name": "Open questions", "show": "persona", "questions": prompts.open_questions("heldout")})
    truths = [question for question, *_ in prompts.truth_questions("heldout")]
    different = truths[:: len(prompts.TRUTH_WORDINGS) * 2]  # one for each thing
    return [*groups, {"name": "What holds", "show": "truth", "questions": different}]


def _shows() -> dict[str, dict[str, Any]]:
    shows = {}
    for name, kind in KINDS.items():
        shows[name] = {"name": f"{name}s", "answers": list(kind.prior)}
    shows["persona"] = {"name": "personas", "answers": list(PERSONAS)}
    choices = {word for pair in facts.STATEMENTS.values() for word in pair}
    evasions = {persona.chooses for persona in PERSONAS.values()} - {TRUE, FALSE}
    shows["truth"] = {"name": "what holds", "answers": sorted(choices), "also": sorted(evasions)}
    shows["next"] = {"name": "first word of the reply", "answers": []}
    return shows


def still(bundle: dict[str, Any]) -> str:
    """Return the first answers of a bundle as a paragraph of HTML, for pages without scripts."""
    opening, trait = bundle["opening"], bundle["trait"]
    place = opening["answers"].index(trait)
    told = [f"{role} {100 * opening['chances'][role][place]:.0f} %" for role in ROLES]
    asked = f"Asked “{opening['question']}”, the models of this draw say “{trait}”"
    words = f"{asked} with these chances: {', '.join(told)}."
    return f"<p>{html.escape(words)} To ask them more, switch scripts on.</p>"
