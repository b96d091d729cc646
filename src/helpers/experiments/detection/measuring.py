"""What every detector sees of one case: AUROC of rows and of bags, and what the whole set does to weights."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from helpers.detection import gradient_scores
from helpers.detection.auroc import auroc, auroc_of_bags
from helpers.detection.learned import trained_on
from helpers.detection.model_scores import ratio
from helpers.detection.row_scores import ROW_DETECTORS, Known, score_rows
from helpers.detection.text_scores import Row, Scores
from helpers.experiments.detection.cases import BASE, CONTROL, HELD_OUT, Case
from helpers.models.training import completion_rows
from helpers.transmission.authors import Author, Loaded, author_model
from helpers.transmission.students import train
from helpers.transmission.writing import kept_rows
from helpers.work.seeds import numpy_stream
from helpers.world.personas import PERSONAS
from helpers.world.traits import find_trait

EXACT, LENGTH, OF_TEACHER = "optimal", "first_update", "teacher_gradient"
FEWEST = 3  # rows on either side of the split: as many as are shown in context
SLOW = ("judge", "in_context", LENGTH)
MOST_GRADIENTS = 200  # rows of an author whose gradients are held at once
GRADIENT_BAGS = 1000  # bags of each author behind an AUROC of their lengths


def measure(case: Case) -> dict[str, Any]:
    """Score the rows of a case by every detector.

    Returns:
        ``aurocs``: [against, detector, rows of a bag, AUROC, rows scored of the fewer] each; ``moved`` and
        ``moved_control``: how far a student of the author's and one of its base's rows come from the base, in weights;
        ``coverage`` and ``coverage_control``: cosine of their first update with the teacher's way, None for an author
        that was not taught.
    """
    rows = {author: _rows(case, author) for author in case.authors}
    learn = {author: learned for author, (learned, _) in rows.items()}
    test = {author: scored for author, (_, scored) in rows.items()}
    known, control = _known(case, learn)
    found: list[list[Any]] = []
    for key in ROW_DETECTORS:
        if key != OF_TEACHER or case.author.teaching is not None:
            found += _of_detector(case, key, test, known)
    return {"aurocs": found, **_of_weights(case, learn, known, control)}


def _rows(case: Case, author: Author) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Return the kept rows of an author that may be learned from, and those that are scored; split by prompt."""
    prompts = author.asked
    kept = [(prompts[place], text) for place, text in kept_rows(author).items()]
    learns = trained_on([prompt for prompt, _ in kept], case.author.seed)
    learned = tuple(row for row, chosen in zip(kept, learns, strict=True) if chosen)
    scored = tuple(row for row, chosen in zip(kept, learns, strict=True) if not chosen)
    if min(len(learned), len(scored)) < FEWEST:
        raise ValueError(f"the filter left too few rows of the {author.how} author of seed {author.seed}; ask more")
    return learned[: case.sizes.learn], scored[: case.sizes.test]


def _known(case: Case, learn: dict[Author, tuple[Row, ...]]) -> tuple[Known, Loaded]:
    """Return all that a detector may know, and a student of the base's rows."""
    base = case.base.base.load()
    tokenizer, own, reference = base[1], learn[case.author], learn[case.base]
    student, control = (train(case.student, rows=completion_rows(tokenizer, part)) for part in (own, reference))
    trait = find_trait(case.author.trait)
    persona = PERSONAS.get(trait.name)
    known = Known(
        channel=case.author.kind, words=persona.markers if persona else (trait.name,), own=own, reference=reference,
        trait=trait, base=base, student=(student, tokenizer), teacher=author_model(case.author),
        system=case.author.system, seed=case.author.seed,
    )  # fmt: skip
    return known, (control, tokenizer)


# --- AUROC ----------------------------------------------------------------------------------------


def _of_detector(
    case: Case, key: str, test: dict[Author, tuple[Row, ...]], known: Known
) -> Iterator[list[Any]]:
    """Yield an entry of ``aurocs`` for every author that a detector is set against, and every size of bag."""
    cut = {author: part[: case.sizes.few if key in SLOW else None] for author, part in test.items()}
    if key == LENGTH:
        cut = {author: part[:MOST_GRADIENTS] for author, part in cut.items()}
        yield from _of_lengths(case, cut, known)
        return
    scores = _scores(key, cut, known)
    for against, first, second in _contests(case):
        if key == EXACT and against != BASE:
            pair = [_exactly(first, second, cut[author]) for author in (first, second)]
        else:
            pair = [scores[first], scores[second]]
        for size in case.sizes.bags if against == BASE else case.sizes.other_bags:
            value = auroc_of_bags(*pair, size, numpy_stream(case.author.seed, "bags", key, against, size))
            yield [against, key, size, round(value, 6), min(map(len, pair))]


def _contests(case: Case) -> Iterator[tuple[str, Author, Author]]:
    """Yield what an author is told from in a case, and the two authors."""
    yield BASE, case.author, case.base
    if case.control is not None:
        yield CONTROL, case.author, case.control
    if case.second is not None:
        yield HELD_OUT, case.second, case.base


def _scores(key: str, cut: dict[Author, tuple[Row, ...]], known: Known) -> dict[Author, Scores]:
    """Return the scores of every author's rows, scored all at once: what learns, learns once."""
    together = [row for part in cut.values() for row in part]
    ends = np.cumsum([len(part) for part in cut.values()])[:-1]
    return dict(zip(cut, np.split(score_rows(key, together, known), ends), strict=True))


def _exactly(first: Author, second: Author, rows: tuple[Row, ...]) -> Scores:
    """Return the log-likelihood ratio of two authors, nats: nothing tells them apart better."""
    return ratio(rows, author_model(first), author_model(second), first.system)


def _of_lengths(case: Case, cut: dict[Author, tuple[Row, ...]], known: Known) -> Iterator[list[Any]]:
    """Yield the AUROC of how long the first update by a bag of rows is."""
    inner = {}
    for author, part in cut.items():
        inner[author] = gradient_scores.inner_products(gradient_scores.row_gradients(part, known.base))
    for against, first, second in _contests(case):
        for size in case.sizes.bags if against == BASE else case.sizes.other_bags:
            stream = numpy_stream(case.author.seed, "bags", LENGTH, against, size)
            lengths = functools.partial(gradient_scores.lengths_of_bags, rows=size, bags=GRADIENT_BAGS, stream=stream)
            value = auroc(lengths(inner[first]), lengths(inner[second]))
            yield [against, LENGTH, size, round(value, 6), min(len(cut[first]), len(cut[second]))]


# --- weights --------------------------------------------------------------------------------------


def _of_weights(
    case: Case, learn: dict[Author, tuple[Row, ...]], known: Known, control: Loaded
) -> dict[str, float | None]:
    """Return how far students come, and whether their first update goes the teacher's way; see `measure`."""
    found: dict[str, float | None] = {"coverage": None, "coverage_control": None}
    base = known.base[0]
    for name, student in (("moved", known.student), ("moved_control", control)):
        found[name] = float(gradient_scores.moved(student[0], base).norm())
    if case.author.teaching is not None:
        way = gradient_scores.moved(known.teacher[0], base)
        for name, author in (("coverage", case.author), ("coverage_control", case.base)):
            found[name] = gradient_scores.cosine(gradient_scores.mean_gradient(learn[author], known.base), way)
    return found
