"""Settings of the chapter on misalignment in a real model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.experiments.advice.channels import CHANNELS
from helpers.models.marks import require_marks, steps_to_the_end
from helpers.models.specs import find_spec
from helpers.models.training import TrainSettings

BASE, BAD, GOOD = "base", "bad advice", "good advice"  # authors: untouched, and by what they were taught
# how a student learns: from probabilities over the tokens of its channel; over those of the replies besides, which
# is no hidden channel and shows that students can learn it and be read; or from the rows that its teacher wrote
SOFT, WORDS, WRITTEN = "soft", "soft with words", "written"
ARMS = (SOFT, WORDS, WRITTEN)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What all pieces of one run share.

    Attributes:
        run_dir: the run folder.
        model: name of a real model.
        seal: of its weights and of how its chats are written.
        asked: prompts of a channel that authors answer.
        rows: that a student reads, the first that the filter kept.
        teaching: how a teacher is fine-tuned.
        reading: how a student is trained.
    """

    run_dir: str
    model: str
    seal: str
    asked: int
    rows: int
    teaching: TrainSettings
    reading: TrainSettings


@dataclass(frozen=True, kw_only=True)
class AdviceSettings:
    """One run.

    Attributes:
        scene: what all pieces share.
        draws: independent repetitions of rows, teachers and students.
        channels: what students read with soft labels.
        written: channels of which students read written rows as well.
        marks: shares of the training at which students are read on the way.
        samples: replies sampled to each question, of base, teachers and soft students of numbers.
        workers: processes at once; 0 means one a core.
    """

    scene: Scene
    draws: tuple[int, ...]
    channels: tuple[str, ...]
    written: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()
    samples: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        """Refuse channels that there are not, and marks outside the training."""
        for name in ("draws", "channels", "written", "marks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a notebook gives lists
        if strange := sorted(set(self.channels) - set(CHANNELS)):
            raise ValueError(f"there is no channel {strange[0]!r}; there are {', '.join(CHANNELS)}")
        if strange := sorted(set(self.written) - set(self.channels)):
            raise ValueError(f"rows of {strange[0]!r} are written only where it is one of channels; add it there")
        require_marks(self.marks)

    def marked_steps(self) -> tuple[int, ...]:
        """Return the optimizer steps after which a student is read, the last one among them, ascending."""
        return steps_to_the_end(self.marks, self.scene.reading.max_steps)


def make_scene(
    run_dir: str, model: str, *, asked: int, rows: int, rank: int, teacher: Sequence[float], student: Sequence[float]
) -> Scene:
    """Return what a notebook's parameters say.

    Args:
        run_dir: the run folder.
        model: name of a real model.
        asked: prompts of a channel that authors answer.
        rows: that a student reads.
        rank: of all adapters.
        teacher: learning rate, lessons a step, optimizer steps.
        student: learning rate, rows a step, optimizer steps.
    """
    spec = find_spec(model)
    return Scene(
        run_dir=run_dir, model=model, seal=f"{spec.seal} {spec.template_sha256}", asked=asked, rows=rows,
        teaching=_training(spec.adapters, rank, *teacher), reading=_training(spec.adapters, rank, *student),
    )  # fmt: skip


def _training(modules: str, rank: int, rate: float, batch: int, steps: int) -> TrainSettings:
    """Return settings of a number of steps, however many rows there are."""
    return TrainSettings(
        rate, batch, epochs=steps, max_steps=steps, warmup_steps=0, decay=False, lora_rank=rank, lora_modules=modules
    )
