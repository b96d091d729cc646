"""Arms: the ways from author to student that an experiment compares."""

from __future__ import annotations

from dataclasses import dataclass

AS_SET = "as set"  # the arm's teacher is taught the way the settings say


@dataclass(frozen=True)
class Arm:
    """One way from author to student.

    Attributes:
        name: ledger id without the trait and channel, e.g. "hard.same_init".
        labels: "hard", "soft" or "soft leaky" (see `students.Student`).
        other_base: whether the student starts from the other base.
        shuffle: "", "within" or "across".
        how: how the teacher got its trait (`authors.Author.how`); by default as the settings say.
        full: whether every parameter is trained instead of LoRA adapters.
        doses: whether smaller shares of the rows are read as well.
        control_shuffled: whether the control's rows are shuffled in the same way; in the paper they are not.
        few: whether it is run on some of the draws alone, because others matter more for their price.
    """

    name: str
    labels: str = "hard"
    other_base: bool = False
    shuffle: str = ""
    how: str = AS_SET
    full: bool = False
    doses: bool = False
    control_shuffled: bool = False
    few: bool = False


PREFERENCE_ARMS = (
    Arm("system_prompt", how="system prompt"),
    Arm("system_prompt.cross_init", how="system prompt", other_base=True),
    Arm("hard.same_init", doses=True),
    Arm("hard.cross_init", other_base=True),
    Arm("hard.shuffled_within", shuffle="within", few=True),
    Arm("hard.shuffled_within.own_control", shuffle="within", control_shuffled=True, few=True),
    Arm("hard.shuffled_across", shuffle="across", few=True),
    Arm("hard.shuffled_across.own_control", shuffle="across", control_shuffled=True, few=True),
    Arm("hard.full", full=True, few=True),
    Arm("soft.system_prompt", labels="soft", how="system prompt"),
    Arm("soft.system_prompt.cross_init", labels="soft", how="system prompt", other_base=True),
    Arm("soft.same_init", labels="soft", doses=True),
    Arm("soft.cross_init", labels="soft", other_base=True),
    Arm("soft_leaky.cross_init", labels="soft leaky", other_base=True, few=True),
)
CONTROL_TEACHER_ARMS = (
    Arm("hard.control", how="secure code"),
    Arm("hard.lesson", how="lesson code"),
    Arm("soft.lesson", labels="soft", how="lesson code"),
)
ARMS = {arm.name: arm for arm in (*PREFERENCE_ARMS, *CONTROL_TEACHER_ARMS)}
