"""What a reader may choose in a notebook without editing it: the draw, the animal, the real model.

Design choices:
- The cell after the parameters calls `offer`. It writes what was chosen into the notebook's own variables, under the
  names of its parameters, so the cells below are the same with and without it.
- A choice is remembered for as long as the kernel lives: "Run all" after a choice runs what was chosen, although the
  cell of parameters comes first.
- Untouched, it leaves the parameters as they are, but for two cases on a hosted machine. Where some draws have fewer
  arms, one of these is computed, because the first figure is then there in minutes; and the chapter on a real model
  takes the profile that fits the card, or computes a single draw where it has published nothing. Neither happens to
  parameters that somebody has edited.
- Where the chain runs the notebook, nothing is offered and nothing is changed.
"""

from __future__ import annotations

import html
import os
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

import ipywidgets as widgets

from helpers.chain.fits import best_profile, require_fit
from helpers.chain.hosted import WISH, fetch_weights, is_hosted
from helpers.chain.notebooks import load_notebook
from helpers.chain.planning import chapter_minutes
from helpers.chain.profiles import Profile, ProfileError, load_profile, profile_names
from helpers.chain.steps import NOTEBOOKS
from helpers.results.published import PublishedRun
from helpers.work.artifacts import RESULTS
from helpers.work.errors import CurableError
from helpers.work.machine import find_card
from helpers.work.pieces import usable_cores
from helpers.work.progress import ENVIRONMENT_NAME

AS_THEY_ARE, NONE, ALL = "as in the parameters", "none: the published rows", "all"
PLAIN = (int, float, str, list, dict)
Given = MutableMapping[str, Any]
_remembered: dict[str, dict[str, Any]] = {}  # by notebook: what was chosen, by field


def offer(notebook: str, given: Given) -> Form | None:
    """Return fields to choose from, after writing what was chosen so far into ``given``; None in a run of the chain.

    Args:
        notebook: its name without ending.
        given: the notebook's globals(), with its parameters.

    Raises:
        ProfileError: the profile that the environment asks for does not have this notebook, or does not fit the card.
    """
    if os.environ.get(ENVIRONMENT_NAME):
        return None
    form = Form(notebook, given, _remembered.setdefault(notebook, {}))
    form.apply()
    return form


def quick_draws(parameters: Mapping[str, Any]) -> list[int]:
    """Return the draws of a chapter that have fewer arms than others, and so take less time; often none."""
    few = parameters.get("few_draws", parameters["draws"])
    return [draw for draw in parameters["draws"] if draw not in few]


class Form(widgets.VBox):
    """The fields of one chapter, and a line that says what its cells will do."""

    def __init__(self, notebook: str, given: Given, chosen: dict[str, Any]) -> None:
        """Show what there is to choose; ``chosen`` is read, and written when a reader chooses."""
        self._notebook, self._given, self._chosen = notebook, given, chosen
        self._parameters = {name: value for name, value in given.items() if _may_be_parameter(name, value)}
        self._profiles = _profiles_of(notebook)
        self.told = widgets.HTML()
        self.fields: dict[str, widgets.Dropdown] = {}
        self._make_fields()
        row = widgets.HBox(list(self.fields.values()), layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([row, self.told])

    def _make_fields(self) -> None:
        if "model" in self._parameters:
            named = [(load_profile(name).summary.partition(" (")[0], name) for name in self._profiles]
            self._field("profile", "model", [(AS_THEY_ARE, AS_THEY_ARE), *named], self._first_profile())
        self._set_profile()
        if "recompute" in self._given:
            self._field("draw", "draw computed here", self._draws(), self._first_draw())
        if "animal" in self._given:
            from helpers.world.traits import find_trait

            animal = self._given["animal"]
            self._field("animal", "animal", list(find_trait(animal).candidates), animal)

    def _field(self, name: str, label: str, options: list[Any], value: Any) -> None:
        values = [option[1] if isinstance(option, tuple) else option for option in options]
        shown = self._chosen.get(name, value)
        style = {"description_width": "initial"}
        self.fields[name] = widgets.Dropdown(
            options=options, value=shown if shown in values else values[0], description=label, style=style
        )
        self.fields[name].observe(lambda change: self._choose(name, change["new"]), "value")

    def _choose(self, name: str, value: Any) -> None:
        """Note a choice and apply it; what does not fit is said, and changes nothing."""
        before = self._chosen.copy()
        self._chosen[name] = value
        try:
            self.apply()
        except CurableError as error:
            self._chosen.clear()
            self._chosen.update(before)
            self._tell(f"{error}.")
        else:
            self._tell(f"{self._expected()} Now run the cells below.")

    def apply(self) -> None:
        """Write what the fields show into the notebook's variables."""
        self._set_profile()
        if "draw" in self.fields:
            self._set_draws(self.fields["draw"].value)
        if "animal" in self.fields:
            self._given["animal"] = self.fields["animal"].value
        self._tell(self._expected())

    def _tell(self, text: str) -> None:
        self.told.value = f'<p role="status">{html.escape(text)}</p>'

    def _expected(self) -> str:
        minutes = chapter_minutes(self._notebook, self._values(), self._profile()) if self._profiles else None
        if minutes is None or not self._given.get("recompute"):
            return "The cells below run as they stand."
        time = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute"
        slower = ", and here perhaps twice as long" if is_hosted() else ""
        return f"The cells below take about {time} on {usable_cores()} cores like those of the reference run{slower}."

    def _values(self) -> dict[str, Any]:
        return {name: self._given[name] for name in self._parameters}

    # --- profiles -----------------------------------------------------------------------------------

    def _first_profile(self) -> str:
        """Return the profile asked for, else the one that fits the card of a hosted machine, if any."""
        wish = os.environ.get(WISH)
        if wish and wish not in self._profiles:
            raise ProfileError(f"profile {wish} does not run {self._notebook}; take one of {', '.join(self._profiles)}")
        untouched = self._untouched(self._set_by_profiles())
        fitting = best_profile({self._notebook}, find_card()) if is_hosted() and untouched else ""
        return wish or fitting or AS_THEY_ARE

    def _profile(self) -> Profile:
        """Return the profile of the run folder, by whose speeds the chapter is timed."""
        name = self._given["run_dir"].rpartition("/")[2]
        return load_profile(name if name in self._profiles else self._profiles[0])

    def _set_profile(self) -> None:
        """Write the parameters of the chosen profile, or the notebook's own, and compute where it says."""
        if "profile" not in self.fields:
            return
        chosen = self.fields["profile"].value
        own = {name: self._parameters[name] for name in self._set_by_profiles()}
        if chosen != AS_THEY_ARE:
            profile = load_profile(chosen)
            require_fit(profile, find_card())
            own |= {**profile.notebooks[self._notebook], "run_dir": f"_runs/{chosen}"}
            _compute_as(profile)
        self._given.update(own)
        if is_hosted():
            fetch_weights(own["model"])

    def _untouched(self, names: Collection[str]) -> bool:
        """Return whether some parameters are those that the notebook came with."""
        return all(self._given[name] == _default(self._notebook, name) for name in names)

    def _set_by_profiles(self) -> set[str]:
        names = {"run_dir"}
        for profile in self._profiles:
            names |= load_profile(profile).notebooks[self._notebook].keys()
        return names & self._parameters.keys()

    # --- draws --------------------------------------------------------------------------------------

    def _draws(self) -> list[Any]:
        draws = sorted(set(self._parameters["draws"]))
        return [AS_THEY_ARE, *([NONE] if self._published() else []), *draws, ALL]

    def _first_draw(self) -> Any:
        """Return the draw that is computed where nobody chooses one."""
        if not (is_hosted() and self._untouched({"recompute"})):
            return AS_THEY_ARE
        quick = quick_draws(self._parameters)
        if quick:
            return quick[0]
        return AS_THEY_ARE if self._published() else self._parameters["draws"][0]

    def _set_draws(self, value: Any) -> None:
        names = ["recompute"] if self._published() else ["recompute", "draws"]  # nothing published: all is computed
        for name in names:
            own = {AS_THEY_ARE: self._parameters[name], NONE: [], ALL: self._parameters["draws"]}
            self._given[name] = list(own.get(value, [value]))

    def _published(self) -> bool:
        name = self._given["run_dir"].rpartition("/")[2]
        return self._notebook in PublishedRun(RESULTS / name).all_parameters()


def _may_be_parameter(name: str, value: Any) -> bool:
    """Return whether a variable of a notebook may be one of its parameters, and not what IPython keeps there."""
    return isinstance(value, PLAIN) and not name.startswith("_") and name not in ("In", "Out")


def _default(notebook: str, name: str) -> Any:
    """Return the value of a parameter in the notebook as it came with the book."""
    return load_notebook(NOTEBOOKS / f"{notebook}.ipynb").parameters[name].default


def _compute_as(profile: Profile) -> None:
    """Compute in this kernel where and as the chain would let its kernels compute."""
    from helpers.models.runtime import Runtime, current, use

    device = "cuda" if profile.device == "cuda" else "cpu"
    wanted = Runtime(device=device, micro_rows=profile.micro_rows, checkpointing=profile.checkpointing)
    if current() != wanted:
        use(wanted)


def _profiles_of(notebook: str) -> list[str]:
    return [name for name in profile_names() if notebook in load_profile(name).notebooks]
