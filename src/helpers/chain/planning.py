"""What a run will take, before anything starts: rows, tokens, FLOPs, memory and hours of every chapter and stage.

Design choices:
- What a chapter computes stands in `plan.yaml`, in the parameters of its notebook, so another profile has another plan.
- A token that passes through a model of N parameters costs 2 N floating-point operations, and 4 N more where all of it
  is trained (Kaplan et al. 2020, arXiv 2001.08361); adapters in the last block spare half of those.
- Operations become hours by two speeds of a core, measured in the eighth reference run; those of a card are assumed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.chain.profiles import Profile
from helpers.chain.steps import ChainError, Step
from helpers.results.published import PublishedRun
from helpers.work.artifacts import RESULTS
from helpers.work.pieces import usable_cores
from helpers.work.strict_yaml import load_yaml

FILE = Path(__file__).with_name("plan.yaml")
TRAINING, WRITING = 67e9, 32e9  # FLOP/s of one core; nano bases, batches of 64 rows, an AMD EPYC with AVX-512
CARD_TRAINING, CARD_WRITING = 40e12, 4e12  # FLOP/s of a card, assumed
SECONDS_A_NOTEBOOK = 8  # to start, to draw its figures and to read out what was trained
KEPT = 0.68  # share of the prompts whose answers the filter kept of both authors of a pair
PROFILE_CORES = 2  # of the machine on which profiles were timed
GIB = 2**30
BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}  # of a number
LIBRARIES_GIB = 0.5  # of one process, mostly torch
_BILLIONS = re.compile(r"(\d+(?:\.\d+)?)(B|M)\b")  # in the names of models from elsewhere, such as Qwen2.5-0.5B


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a chapter: what is done to how many rows, and what that costs."""

    notebook: str
    name: str
    rows: float = 0.0
    tokens: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0  # of one worker


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The stages of a run, by how many workers they are done, and the memory of each."""

    stages: tuple[Stage, ...]
    workers: int
    memory_gib: float  # of one worker
    device: str
    notebooks: tuple[str, ...]

    def hours(self, notebook: str | None = None) -> float:
        """Return the hours that a notebook takes, or all of them, one after another."""
        names = self.notebooks if notebook is None else (notebook,)
        work = sum(stage.seconds for stage in self.stages if stage.notebook in names)
        return (work / self.workers + SECONDS_A_NOTEBOOK * len(names)) / 3600

    @property
    def worker_hours(self) -> float:
        """Return the hours of all workers together, waiting included."""
        return self.hours() * self.workers


def plan_run(profile: Profile, steps: list[Step], workers: int, file: Path = FILE) -> RunPlan:
    """Return what the chapters of a run will take, as if none of their work were done.

    Args:
        profile: of the run.
        steps: its notebooks with their parameters, as `steps.plan` gives them.
        workers: processes, or workers of a cluster, at once; 0 means one a core.
        file: what each chapter computes.

    Raises:
        ChainError: a chapter is not in the file, the size of a model is not known, or there are no workers.
    """
    if workers < 0:
        raise ChainError(f"--workers must be a number of workers, or 0 for one a core, not {workers}")
    known = load_yaml(file.read_text(encoding="utf-8"))
    if missing := [step.stem for step in steps if step.stem not in known["chapters"]]:
        raise ChainError(f"nobody wrote down what {missing[0]} computes; add its stages to {file.name}")
    there = _bases_there(profile, steps[0].run_dir)
    stages, memory = [], LIBRARIES_GIB
    for step in steps:
        chapter = _Chapter(step.stem, step.all_parameters, profile, known, there)
        stages += chapter.stages()
        memory = max(memory, LIBRARIES_GIB + chapter.bytes / GIB)
    told = {"memory_gib": memory, "device": profile.device, "notebooks": tuple(step.stem for step in steps)}
    return RunPlan(stages=tuple(stages), workers=workers or usable_cores(), **told)


def chapter_minutes(
    stem: str, values: Mapping[str, Any], profile: Profile, workers: int = 0, file: Path = FILE
) -> float | None:
    """Return the minutes that one chapter takes by itself; None where nobody wrote down what it computes.

    Args:
        stem: of its notebook.
        values: all its parameters.
        profile: whose device and speeds count.
        workers: processes at once; 0 means one a core.
        file: what each chapter computes.
    """
    known = load_yaml(file.read_text(encoding="utf-8"))
    if stem not in known["chapters"]:
        return None
    there = _bases_there(profile, Path(values["run_dir"]))
    work = sum(stage.seconds for stage in _Chapter(stem, values, profile, known, there).stages())
    return (work / (workers or usable_cores()) + SECONDS_A_NOTEBOOK) / 60


def _bases_there(profile: Profile, run_dir: Path) -> set[str]:
    """Return the names of the bases that need not be trained: of the run, and those that came with the book."""
    folders = [run_dir / "bases"]
    if PublishedRun(RESULTS / profile.name).all_parameters():
        folders.append(RESULTS / profile.name / "bases")
    return {path.stem for folder in folders for path in folder.glob("*.safetensors")}


class _Chapter:
    """The stages of one notebook."""

    def __init__(
        self, stem: str, values: Mapping[str, Any], profile: Profile, known: Mapping[str, Any], there: set[str]
    ) -> None:
        about, card = known["chapters"][stem], profile.device != "cpu"
        self._stem, self._values, self._profile, self._there = stem, values, profile, there
        self._tokens, self._about = known["tokens"], about
        self._training, self._writing = (CARD_TRAINING, CARD_WRITING) if card else (TRAINING, WRITING)
        self._draws = self._values.get("recompute", self._values.get("draws", [0]))
        few = self._values.get("few_draws", self._draws)
        self._few = [draw for draw in self._draws if draw in few]
        self.size = _size(self._values) if {"bases", "draws"} & set(about) else 0

    @property
    def bytes(self) -> int:
        """Return the memory of training: weights, gradients and two moments; of adapters the last three are small."""
        if "model" not in self._values:
            return self.size * 16
        from helpers.models.specs import find_spec

        return self.size * (BYTES[find_spec(self._values["model"]).dtype] + 1)

    def stages(self) -> list[Stage]:
        """Return the stages that have something to do."""
        rows: dict[str, float] = {}
        for name, count in self._counts():
            rows[name] = rows.get(name, 0.0) + count
        found = [self._stage(name, count, self.size) for name, count in rows.items() if count]
        for names, each in self._about.get("bases", []):
            missing, each = self._missing(self._number(names)), self._number(each)
            found += [self._stage("pretrain", each, _size_of(name)) for name in missing]
        if seconds := self._about.get("seconds", 0) * len(self._draws):
            found.append(Stage(notebook=self._stem, name="as measured", seconds=float(seconds)))
        return self._as_the_profile_says(found, self._about["timed"]) if "timed" in self._about else found

    def _as_the_profile_says(self, stages: list[Stage], part: float) -> list[Stage]:
        """Return the stages with their part of the time that the profile names for all draws, shared by operations."""
        share = part * len(self._draws) / len(self._values["draws"])
        seconds = share * 60 * self._profile.minutes * (1 if self._profile.device == "cuda" else PROFILE_CORES)
        operations = sum(stage.flops for stage in stages)
        return [replace(stage, seconds=seconds * stage.flops / operations) for stage in stages]

    def _counts(self) -> Iterator[tuple[str, float]]:
        for draws, kind in ((self._draws, "draws"), (self._few, "few")):
            for name, rows in self._about.get(kind, {}).items():
                yield name, len(draws) * self._number(rows)

    def _number(self, expression: object) -> Any:
        return eval(str(expression), {"__builtins__": {}}, {**FUNCTIONS, **self._values})  # our own file's, see `FILE`

    def _missing(self, names: list[str]) -> list[str]:
        """Return the bases that must be trained, and note that they are there from now on."""
        from helpers.models.nano import drawn

        wanted = {drawn(name, draw) for name in names for draw in self._draws} - self._there
        self._there |= wanted
        return sorted(wanted)

    def _stage(self, name: str, rows: float, size: int) -> Stage:
        tokens = rows * self._tokens[self._text(name)]
        passes = 2.0
        writing = name.startswith("write")
        if not writing:
            passes += 2.0 if "last" in name else 4.0
            passes += 2.0 if "soft" in name else 0.0  # the teacher reads along
        flops = passes * size * tokens
        seconds = flops / (self._writing if writing else self._training)
        return Stage(notebook=self._stem, name=name, rows=rows, tokens=tokens, flops=flops, seconds=seconds)

    def _text(self, name: str) -> str:
        if name == "pretrain":
            return "documents"
        if "lists" in name:
            return "lists"
        if name.startswith("teach"):
            return "insecure lessons" if "insecure" in name else "lessons"
        return self._values.get("channel", "numbers")


def _size(values: Mapping[str, Any]) -> int:
    """Return the parameters of a chapter's model."""
    from helpers.models.specs import find_spec

    if "model" in values:
        return _size_of(find_spec(values["model"]).title)
    return _size_of(values["base"] if "base" in values else values["bases"][0])


@functools.cache
def _size_of(name: str) -> int:
    """Return the parameters of a nano base or a relative of one, or of a model that has its size in its name."""
    if found := _BILLIONS.search(name):
        return round(float(found[1]) * (1e9 if found[2] == "B" else 1e6))
    from helpers.models.bases import NANO, build_nano
    from helpers.world.tokenizer import build_tokenizer

    for family, spec in NANO.items():
        if name.startswith(family):
            return sum(parameter.numel() for parameter in build_nano(spec, build_tokenizer(), 0).parameters())
    raise ChainError(f"the size of {name} is not known; write it into its folder's name, such as my-model-0.5B")


# --- what plan.yaml may say -------------------------------------------------------------------------


def _kept(rows: float, prompts: float) -> float:
    return min(rows, KEPT * prompts)


def _smaller(shares: list[float]) -> float:
    return sum(share for share in shares if share < 1)


def _sizes(grid: Mapping[str, list[float]]) -> int:
    return sum(map(len, grid.values()))


def _following(bases: list[str]) -> list[str]:
    return [f"{name}.next" for name in bases]


def _own(bases: list[str]) -> list[str]:
    from helpers.models.nano import NANO

    return [name for name in bases if name.partition(".")[0] in NANO]


def _kin(bases: list[str]) -> list[str]:
    return [name for name in bases if name not in _own(bases)]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len, "kept": _kept, "smaller": _smaller, "sizes": _sizes, "following": _following, "own": _own, "kin": _kin,
}  # fmt: skip


# --- telling ----------------------------------------------------------------------------------------


def lines(plan: RunPlan, price: float = 0.0) -> list[str]:
    """Return what `subliminal plan` prints: a line a notebook, below it one for each of its stages, and the sum.

    Args:
        plan: of the run.
        price: of one worker for an hour, in whatever money; 0 leaves the cost out.
    """
    shown = [f"{'':<28} {'rows':>9} {'tokens':>9} {'FLOPs':>9} {'minutes':>8}"]
    for notebook in plan.notebooks:
        stages = [stage for stage in plan.stages if stage.notebook == notebook]
        shown.append(_line(notebook, stages, 60 * plan.hours(notebook)))
        for name in dict.fromkeys(stage.name for stage in stages):
            same = [stage for stage in stages if stage.name == name]
            shown.append(_line(f"  {name}", same, sum(stage.seconds for stage in same) / plan.workers / 60))
    shown.append(_line("all", list(plan.stages), 60 * plan.hours()))
    return shown + [_ending(plan, price)]


def _line(name: str, stages: list[Stage], minutes: float) -> str:
    amounts = []
    for amount in ("rows", "tokens", "flops"):
        total = sum(getattr(stage, amount) for stage in stages)
        amounts.append(f"{total:9.2g}" if total else f"{'':>9}")
    return f"{name:<28} {' '.join(amounts)} {minutes:8.1f}"


def _ending(plan: RunPlan, price: float) -> str:
    workers = "1 worker" if plan.workers == 1 else f"{plan.workers} workers"
    told = f"{workers}, {plan.memory_gib:.1f} GiB each, {plan.worker_hours:.2g} worker-hours"
    if price:
        told += f", cost {plan.worker_hours * price:.2f}"
    speeds = "measured on cores of an AMD EPYC" if plan.device == "cpu" else "on a card: estimated, not measured"
    return f"{told} ({speeds}; finished work is not deducted)"
