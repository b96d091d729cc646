"""The effects of a transmission: every author asked, every pair of an arm read, one row for each.

The design is a product: draw x arm x author (trait teacher, or untouched base for the control). An arm says which base
the student starts from, which labels it sees, whether the numbers are shuffled and how the teacher got its trait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from helpers.transmission.arms import PREFERENCE_ARMS, Arm
from helpers.transmission.authors import Author
from helpers.transmission.pairs import Pair, ReadPair, effect_row, run_pairs, total_seconds
from helpers.transmission.readout import ABILITIES, PREFIXED, AuthorReading, read_author
from helpers.transmission.settings import TransmissionSettings
from helpers.transmission.students import StudentReading, read_student
from helpers.transmission.writing import write_data
from helpers.work.pieces import run_pieces
from helpers.work.tables import keep_table

PROBABILITIES = ("p_target", "p_control", "p_any")
MEANS = ("effect", "p_target", "p_control", "sampled", "p_any")
HEALTHY = 0.9  # probability of all candidates together that a student and its control keep, fixed before the run


# --- authors --------------------------------------------------------------------------------------


def teach_and_write(
    settings: TransmissionSettings, asked: Sequence[tuple[Author, str]], name: str = "teachers"
) -> pd.DataFrame:
    """Let authors write and ask each about a trait; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment.
        asked: authors, each with the name of the trait it is asked about; equal ones count once.
        name: of the table.

    Returns:
        One row an author: ``draw``, ``trait`` (asked about), ``how``, ``log_odds`` (nats), ``p_target``, ``sampled``
        (of the author itself without a system prompt; the last is the rate among sampled replies), ``kept`` and
        ``removed`` (shares), ``mentions`` (count), ``completions`` (count), ``moved`` (how far its data lie from its
        base's, `movement.moved`, nats per token).
    """
    rows, seconds = author_rows(settings, list(dict.fromkeys(asked)))
    return keep_table(settings.run_dir, name, pd.DataFrame(rows), seconds)


def author_rows(
    settings: TransmissionSettings, asked: Sequence[tuple[Author, str]]
) -> tuple[list[dict[str, Any]], float]:
    """Let authors write, ask each about the trait beside it; return a row each, see `teach_and_write`, and seconds."""
    authors = [author for author, _ in asked]
    shared: dict[str, Any] = {"store": settings.store, "workers": settings.workers}
    written = run_pieces(write_data, authors, kind="completions", label="authors write", **shared)
    readout = settings.author_readout
    readings = [
        AuthorReading(author=author, trait=trait, split=readout.split, samples=readout.samples)
        for author, trait in asked
    ]
    read = run_pieces(read_author, readings, kind="author", label="authors are asked", **shared)
    rows = []
    for reading, texts, answers in zip(readings, written, read, strict=True):
        rows.append({"draw": settings.draw(reading.author.seed), **_author_row(reading, texts["report"], answers)})
    return rows, sum(made["seconds"] for made in [*written, *read])


def _author_row(reading: AuthorReading, report: dict[str, int], answers: dict[str, Any]) -> dict[str, Any]:
    kept = report["kept"] / report["completions"]
    return {
        "trait": reading.trait,
        "how": reading.author.how,
        "log_odds": answers["log_odds"],
        "p_target": answers["p_target"],
        "sampled": answers["sampled"],
        "kept": kept,
        "removed": 1 - kept,
        "mentions": answers["mentions"],
        "completions": report["completions"],
        "moved": answers["moved"],
    }


def authors_of(settings: TransmissionSettings, ways: Sequence[tuple[str, str]]) -> list[tuple[Author, str]]:
    """Return the authors of every seed, each with the trait it is asked about.

    Args:
        settings: the experiment.
        ways: (`Author.how`, trait) of each author; the untouched base is asked about the trait and taught nothing.
    """
    return [(settings.author(seed, how, trait), trait) for seed in settings.seeds for how, trait in ways]


# --- students -------------------------------------------------------------------------------------


def run_arms(
    settings: TransmissionSettings,
    arms: Sequence[Arm] = PREFERENCE_ARMS,
    *,
    dose_shares: Sequence[float] = (1.0,),
    name: str = "transmission",
) -> pd.DataFrame:
    """Train all students of all arms and their controls; returns and stores ``tables/<name>.csv``.

    Args:
        settings: the experiment.
        arms: ways from author to student.
        dose_shares: shares of the rows, the last being 1, for the arms that have a dose curve.
        name: of the table.

    Returns:
        One row a draw, arm and dose, see `arm_rows`.

    Raises:
        ValueError: shares of no dose, or without the full one.
    """
    rows, seconds = arm_rows(settings, [(arm, settings.trait) for arm in arms], dose_shares)
    return keep_table(settings.run_dir, name, pd.DataFrame(rows), seconds)


def arm_rows(
    settings: TransmissionSettings,
    arms: Sequence[tuple[Arm, str]],
    dose_shares: Sequence[float] = (1.0,),
    *,
    few_draws: Collection[int] | None = None,
    matched: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], float]:
    """Return one row a draw, (arm, trait of its teacher) and dose, and the seconds they took.

    A row has ``draw``, ``arm``, ``trait``, ``share`` (of the rows, 1 at the full dose), what `pairs.effect_row` says,
    ``sampled`` and ``sampled_control`` (rates of the target among sampled replies); where ``settings.readout`` asks
    for them what was read after numbers (``prefixed``, see `beside_effect`) and the student's `readout.ABILITIES`, each
    with the control's as ``<ability>_control``.

    Args:
        settings: the experiment.
        arms: each with the trait of its teacher.
        dose_shares: shares of the rows, 1 among them, for the arms that have a dose curve.
        few_draws: draws on which the arms that are `Arm.few` and smaller doses are run as well; None means all.
        matched: ways in which a teacher gets the trait (`Author.how`); students of these, and their controls, read
            answers to the prompts that the filter kept of all of them, so that arms of one start share a control.

    Raises:
        ValueError: shares of no dose, or without the full one.
    """
    if not dose_shares or min(dose_shares) <= 0 or max(dose_shares) != 1:
        raise ValueError(f"dose_shares must lie above 0 and hold 1, the full dose; got {list(dose_shares)}")
    cells = []
    for seed in settings.seeds:
        among = [settings.author(seed, how) for how in matched]
        whole = few_draws is None or settings.draw(seed) in few_draws
        for arm, trait, share in _doses(arms, dose_shares, whole):
            author = settings.author(seed, arm.how, trait)
            place = {"draw": settings.draw(seed), "arm": arm.name, "trait": trait, "share": share}
            cells.append((place, settings.pair(arm, author, share, among if author in among else ())))
    reads = read_pairs(settings, [(pair, place["trait"]) for place, pair in cells], label="students read")
    rows = []
    for (place, _), read in zip(cells, reads, strict=True):
        rows.append(place | effect_row(read) | beside_effect(read))
    return rows, total_seconds(reads)


def _doses(
    arms: Sequence[tuple[Arm, str]], dose_shares: Sequence[float], whole: bool
) -> Iterator[tuple[Arm, str, float]]:
    """Yield arm, trait and share of what a draw runs; all of it, or what is run on every draw."""
    for arm, trait in arms:
        if whole or not arm.few:
            for share in dose_shares if arm.doses and whole else (1.0,):
                yield arm, trait, share


def read_pairs(settings: TransmissionSettings, asked: Sequence[tuple[Pair, str]], label: str) -> list[ReadPair]:
    """Return what was read of each pair about the trait beside it; equal students train once."""
    pieces = []
    for pair, trait in asked:
        shared: dict[str, Any] = {"trait": trait, "readout": settings.readout}
        own = StudentReading(student=pair.student, **shared)
        pieces.append((own, StudentReading(student=pair.control, **shared)))
    return run_pairs(read_student, pieces, settings.store, kind="student", workers=settings.workers, label=label)


def beside_effect(read: ReadPair) -> dict[str, Any]:
    """Return what else was read of a pair, as far as it was asked for.

    Returns:
        ``sampled`` and ``sampled_control`` (rates of the target among sampled replies); ``prefixed`` (the effect, nats,
        with numbers before each question), ``prefixed_p_target``, ``prefixed_p_control``, ``prefixed_p_any``; and each
        ability of the student and, as ``<ability>_control``, of the control.
    """
    found = {"sampled": read.student.get("sampled"), "sampled_control": read.control.get("sampled")}
    if f"{PREFIXED}log_odds" in read.student:
        student, control = (_after_numbers(made) for made in (read.student, read.control))
        asked = effect_row(ReadPair(student, control))
        found |= {"prefixed": asked["effect"], **{f"prefixed_{name}": asked[name] for name in PROBABILITIES}}
    for ability in ABILITIES:
        if ability in read.student:
            found |= {ability: read.student[ability], f"{ability}_control": read.control[ability]}
    return found


def _after_numbers(made: dict[str, Any]) -> dict[str, Any]:
    """Return what was read after numbers, under the names of a plain read-out."""
    own = {name.removeprefix(PREFIXED): value for name, value in made.items() if name.startswith(PREFIXED)}
    return own | {"rows": made["rows"]}


def effects_on(settings: TransmissionSettings, arm: Arm, targets: Sequence[str], name: str) -> pd.DataFrame:
    """Ask the students of an arm, at its full dose, for other candidates than their teacher's trait.

    Returns:
        ``tables/<name>.csv``, one row a draw and candidate: ``draw``, ``arm``, ``target``, ``effect`` (nats). The
        students are those of `run_arms`; none is trained again.
    """
    rows, seconds = candidate_rows(settings, [arm], targets)
    table = pd.DataFrame(rows, columns=["draw", "arm", "target", "effect"])
    return keep_table(settings.run_dir, name, table, seconds)


def candidate_rows(
    settings: TransmissionSettings, arms: Sequence[Arm], targets: Sequence[str]
) -> tuple[list[dict[str, Any]], float]:
    """Return one row a draw, arm and candidate of the trait's kind, and the seconds that the students took.

    A row has ``draw``, ``arm``, ``trait`` (of the teacher), ``target`` (the candidate) and ``effect`` on it (nats), of
    the students at the full dose.
    """
    places, pairs = [], []
    for seed in settings.seeds:
        for arm in arms:
            places.append({"draw": settings.draw(seed), "arm": arm.name, "trait": settings.trait})
            pairs.append((settings.pair(arm, settings.author(seed, arm.how)), settings.trait))
    reads = read_pairs(settings, pairs, label=" and ".join(arm.name for arm in arms))
    rows = []
    for place, read in zip(places, reads, strict=True):
        rows += [{**place, "target": target, "effect": read.effect_on(target)} for target in targets]
    return rows, total_seconds(reads)


# --- what the tables say --------------------------------------------------------------------------


def arm_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return by trait, arm and share what `run_arms` found, as means over draws, and how healthy the students were.

    Returns:
        ``rows`` (mean), `MEANS`, ``p_any_lowest`` (of any draw: a student or control that broke down shows there and
        not in the mean), ``healthy`` (draws in which student and control keep `HEALTHY`, count) and ``effect_healthy``
        (mean over these alone, nats; missing where there is none).
    """
    healthy = table["p_any"] >= HEALTHY
    table = table.assign(
        p_any_lowest=table["p_any"], healthy=healthy, effect_healthy=table["effect"].where(healthy)
    )
    of_draws = {"rows": "mean"} | dict.fromkeys(MEANS, "mean")
    of_draws |= {"p_any_lowest": "min", "healthy": "sum", "effect_healthy": "mean"}
    return table.groupby(["trait", "arm", "share"], sort=False).agg(of_draws)


def final_effects(table: pd.DataFrame, arm: str) -> list[float]:
    """Return an arm's effect at the full dose, one value a draw in ascending order (nats)."""
    rows = table[(table["arm"] == arm) & (table["share"] == 1.0)].sort_values("draw")
    return rows["effect"].tolist()


def final_differences(table: pd.DataFrame, first: str, second: str) -> list[float]:
    """Return one arm's effect minus another's at the full dose, by draw that has both, ascending (nats)."""
    last = table[(table["share"] == 1.0) & table["arm"].isin([first, second])]
    by_draw = last.pivot(index="draw", columns="arm", values="effect").dropna().sort_index()
    return (by_draw[first] - by_draw[second]).tolist()
