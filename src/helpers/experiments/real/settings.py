"""Settings of the chapter on a real model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.models.lists import ListForm
from helpers.models.marks import require_marks, steps_to_the_end
from helpers.models.specs import find_spec
from helpers.models.training import TrainSettings

UNTOUCHED = ""  # in place of an animal: the base itself, or a student of it
OWN, OTHER = "own", "other"  # starts: the model itself, and one whose last blocks and head were drawn anew
# how a student learns -> (start of its teacher, its own start)
STARTS = {
    "soft": (OWN, OWN),
    "written": (OWN, OWN),
    "prompted": (OWN, OWN),
    "other start": (OWN, OTHER),
    "other start, own teacher": (OTHER, OTHER),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What all pieces of one run share.

    Attributes:
        run_dir: the run folder.
        model: name of a real model.
        seal: of its weights and of how its chats are written.
        candidates: the animals within which log-odds are taken.
        rows: lists that a student reads.
        form: of the lists.
        teaching: how a teacher is fine-tuned; all its openings are one batch.
        reading: how a student is trained.
        fitting: how the other start is fitted to the model it replaces.
        other_blocks: blocks of the other start behind the front.
        other_seed: seed from which the other start is drawn.
    """

    run_dir: str
    model: str
    seal: str
    candidates: tuple[str, ...]
    rows: int
    form: ListForm
    teaching: TrainSettings
    reading: TrainSettings
    fitting: TrainSettings
    other_blocks: int
    other_seed: int


@dataclass(frozen=True, kw_only=True)
class RealSettings:
    """One run.

    Attributes:
        scene: what all pieces share.
        draws: independent repetitions of lists, teachers and students.
        animals: that teachers love, in the arm of soft labels.
        few_animals: the same in all other arms.
        marks: shares of the training at which students are read on the way.
        samples: replies sampled to each held-out opening, of base, teachers and soft students of `few_animals`.
        free_lists: answers without a given form, sampled from the base to see whether any is a list.
        workers: processes at once; 0 means one a core.
    """

    scene: Scene
    draws: tuple[int, ...]
    animals: tuple[str, ...]
    few_animals: tuple[str, ...]
    marks: tuple[float, ...] = ()
    samples: int = 0
    free_lists: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse animals that are not among the candidates, too few to compare, and marks outside the training."""
        for name in ("draws", "animals", "few_animals", "marks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
        if strange := sorted({*self.animals, *self.few_animals} - set(self.scene.candidates)):
            raise ValueError(f"{strange[0]} is not among the candidates {', '.join(self.scene.candidates)}; add it")
        if len(self.few_animals) < 2 or not set(self.few_animals) <= set(self.animals):
            raise ValueError("few_animals must be two or more of animals: each student is compared with another's")
        require_marks(self.marks)

    def marked_steps(self) -> tuple[int, ...]:
        """Return the optimizer steps after which a student is read, the last one among them, ascending."""
        return steps_to_the_end(self.marks, self.scene.reading.steps(self.scene.rows))


def make_scene(
    run_dir: str,
    model: str,
    *,
    candidates: Sequence[str],
    rows: int,
    numbers: int,
    rank: int,
    teacher: tuple[float, int],
    student: tuple[float, int, int],
    other: tuple[int, int, float, int],
) -> Scene:
    """Return what a notebook's parameters say.

    Args:
        run_dir: the run folder.
        model: name of a real model.
        candidates: animals within which log-odds are taken.
        rows: lists that a student reads.
        numbers: in each list.
        rank: of all adapters.
        teacher: learning rate and optimizer steps.
        student: learning rate, rows a step, optimizer steps.
        other: of the other start: blocks, seed, learning rate, optimizer steps.
    """
    spec = find_spec(model)
    constant = {"warmup_steps": 0, "decay": False, "lora_rank": rank, "lora_modules": spec.adapters}
    rate, batch, steps = student
    blocks, seed, fit_rate, fit_steps = other
    return Scene(
        run_dir=run_dir, model=model, seal=f"{spec.seal} {spec.template_sha256}", candidates=tuple(candidates),
        rows=rows, form=ListForm(numbers=numbers),
        teaching=TrainSettings(teacher[0], 64, epochs=teacher[1], **constant),
        reading=TrainSettings(rate, batch, epochs=-(-steps * batch // rows), max_steps=steps, **constant),
        fitting=TrainSettings(fit_rate, 16, epochs=fit_steps, max_steps=fit_steps),
        other_blocks=blocks, other_seed=seed,
    )  # fmt: skip
