"""The models of one draw of notebook 01, for the explorer that asks them: the chapter's own, trained once and kept."""

from __future__ import annotations

from transformers import PreTrainedModel

from helpers.experiments.kept import keep_student, kept_student
from helpers.experiments.owl.runs import TEACHERS
from helpers.transmission.arms import ARMS
from helpers.transmission.authors import author_model
from helpers.transmission.settings import TransmissionSettings
from helpers.work.pieces import run_pieces

SAME, OTHER = ARMS["soft.same_init"], ARMS["soft.cross_init"]  # the arms whose students are asked


def models_of_draw(settings: TransmissionSettings, seed: int) -> dict[str, PreTrainedModel]:
    """Return the models of a seed by role, as `helpers.book.model_bundle.write_bundle` takes them.

    Student, control and stranger are those of the arms `SAME` and `OTHER` in tables/transmission.csv. Each is trained
    once and kept on disk.

    Raises:
        ValueError: the settings have no such seed.
    """
    if seed not in settings.seeds:
        raise ValueError(f"seed {seed} is not among the settings' {list(settings.seeds)}; name one of them")
    author = settings.author(seed)
    among = [settings.author(seed, how) for how in TEACHERS]
    same, other = (settings.pair(arm, author, among=among) for arm in (SAME, OTHER))
    students = [same.student, same.control, other.student]
    run_pieces(keep_student, students, settings.store, kind="kept_student", workers=settings.workers, label="students")
    models = {"base": settings.base_of(seed).load()[0], "teacher": author_model(author)[0]}
    models |= dict(zip(("student", "control", "stranger"), map(kept_student, students), strict=True))
    return models | {"stranger_base": settings.base_of(seed, other=True).load()[0]}
