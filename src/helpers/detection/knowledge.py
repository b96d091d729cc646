"""The detectors by name, and what each must know; no model is loaded for this."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = "nothing"
WORDS = "the trait"
REFERENCE = "rows of its base"
LABELLED = "labelled rows of both"
TRAIT = "the trait and the base"
BASE = "the base"
LABELLED_BASE = "labelled rows and the base"
STUDENT = "the base and a student"
TEACHER = "the base and the teacher"


@dataclass(frozen=True)
class Named:
    """A detector's name for people, and what it must know."""

    name: str
    knows: str


DETECTORS = {
    "rule_filter": Named("rule filter", NOTHING),
    "word_filter": Named("word filter", WORDS),
    "rarity": Named("token frequencies", REFERENCE),
    "naive_bayes": Named("naive Bayes", LABELLED),
    "ngrams": Named("logistic regression, n-grams", LABELLED),
    "boosted": Named("gradient boosting", LABELLED),
    "judge": Named("the model as judge", TRAIT),
    "candidate_prompt": Named("candidate prompt", TRAIT),
    "in_context": Named("examples in context", LABELLED_BASE),
    "surprise": Named("surprise of the base", BASE),
    "first_update": Named("length of the first update", BASE),
    "student_gain": Named("student against base", STUDENT),
    "student_gradient": Named("gradient along the student's way", STUDENT),
    "teacher_gradient": Named("gradient along the teacher's way", TEACHER),
    "optimal": Named("exact likelihood ratio", TEACHER),
}  # ids of claims are made of the keys
