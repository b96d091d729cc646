"""Profiles: how large a run is. A profile is a YAML file that names the notebooks it runs and their settings.

A profile holds only what differs from a notebook's own defaults, so the notebook a reader opens shows the
values of `nano`. The chain checks names and types against the notebooks before anything runs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

FOLDER = Path(__file__).parent / "profiles"
DEVICES = ("cpu", "cuda", "auto")
OPTIONAL = ("offline", "gpu_gib", "micro_rows", "checkpointing", "one", "one_minutes")  # a file may leave them out


class ProfileError(CurableError, ValueError):
    """A profile is unknown or one of its fields is wrong; the message names the field and what exists."""


@dataclass(frozen=True)
class Profile:
    """Settings of one size of run."""

    name: str
    summary: str  # one line for `subliminal run --help` and the README
    minutes: float  # measured time of the whole chain, all draws, after installation, on the device below
    device: str  # "cpu", "cuda" or "auto" (cuda where there is one)
    notebooks: dict[str, dict[str, Any]] = field(default_factory=dict)  # file stem -> parameters that differ
    offline: bool = True  # no notebook of this profile fetches anything
    one_minutes: float | None = None  # the same where one draw is computed; None where that was not measured
    gpu_gib: float | None = None  # memory that it takes of a card, in GiB; None where it takes none or nobody knows
    micro_rows: int = 0  # rows that a training reads at once on the device; 0: a whole batch
    checkpointing: bool = False  # whether blocks are computed again in the backward pass, which spares memory
    one: int | None = None  # the draw that is recomputed unless others are asked for; default: each notebook's first

    def __post_init__(self) -> None:
        """Refuse fields of a wrong type with a ProfileError that names the field and the cure."""
        if not (isinstance(self.name, str) and isinstance(self.summary, str) and self.summary.strip()):
            raise ProfileError(f"profile {self.name}: `summary` must be one line of text")
        for name in ("minutes", "one_minutes", "gpu_gib"):
            value = getattr(self, name)
            if name != "minutes" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ProfileError(f"profile {self.name}: `{name}` must be a number > 0, not {value!r}")
        if self.device not in DEVICES:
            devices = ", ".join(DEVICES)
            raise ProfileError(f"profile {self.name}: `device` must be one of {devices}, not {self.device!r}")
        for name in ("offline", "checkpointing"):
            if not isinstance(getattr(self, name), bool):
                raise ProfileError(f"profile {self.name}: `{name}` must be true or false, not {getattr(self, name)!r}")
        if type(self.micro_rows) is not int or self.micro_rows < 0:
            what = "a number of rows, or 0 for a whole batch"
            raise ProfileError(f"profile {self.name}: `micro_rows` must be {what}, not {self.micro_rows!r}")
        if self.one is not None and type(self.one) is not int:
            raise ProfileError(f"profile {self.name}: `one` must be a draw's seed such as 705, not {self.one!r}")
        _check_notebooks(self.name, self.notebooks)


def _check_notebooks(name: str, notebooks: object) -> None:
    if not isinstance(notebooks, dict):
        raise ProfileError(f"profile {name}: `notebooks` must map notebook names to parameters")
    for stem, parameters in notebooks.items():
        if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
            raise ProfileError(f"profile {name}: `notebooks.{stem}` must map parameters to values or be {{}}")
        if chosen := sorted({"run_dir", "recompute"} & set(parameters)):
            raise ProfileError(f"profile {name}: `notebooks.{stem}.{chosen[0]}` is set by the chain; remove it")


def profile_names(folder: Path = FOLDER) -> list[str]:
    """The names of all profiles, sorted; no file is read, so one that is damaged hinders only who uses it."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_profile(name: str, folder: Path = FOLDER) -> Profile:
    """The profile `name`; raises ProfileError for an unknown name or field, listing what exists."""
    if name not in profile_names(folder):
        raise ProfileError(f"there is no profile {name!r}; there are {', '.join(profile_names(folder))}")
    values = _read(name, folder / f"{name}.yaml")
    fields = [item.name for item in dataclasses.fields(Profile) if item.name != "name"]
    needed = [item for item in fields if item not in OPTIONAL]
    if not isinstance(values, dict) or (unknown := sorted(map(str, set(values) - set(fields)))):
        what = f"unknown field `{unknown[0]}`" if isinstance(values, dict) else "not a mapping of fields"
        raise ProfileError(f"profile {name}: {what}; the fields are {', '.join(fields)}")
    if missing := [item for item in needed if item not in values]:
        raise ProfileError(f"profile {name}: field `{missing[0]}` is missing; needed are {', '.join(needed)}")
    return Profile(name=name, **values)


def _read(name: str, path: Path) -> Any:
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {name} is not valid YAML: {' '.join(str(error).split())}; mend {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {name} cannot be read ({error}); mend or restore {path}") from None
