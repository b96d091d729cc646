"""What the table of defences says: what is left of an effect, against what chance would leave, and at what cost.

Defences that other chapters measured with the same rows and steps stand in the table too: labels masked or replaced
(09_mechanism), and for misalignment a student of another base (03 and 04). Their rows are those of these chapters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from helpers.experiments.defences.arms import (
    BASE,
    MASKED,
    MASKED_AT_RANDOM,
    NOTHING,
    OF_PREFERENCE,
    OF_RISKY,
    OF_SOFT_LABELS,
    PLAIN,
    SECOND,
    TEACHER,
    UNDEFENDED,
    Defence,
)
from helpers.results.stats import share_of_means
from helpers.results.tables import NAMED, made_from, names_of

NUMBERS, CODE, REASONING = "burdened_numbers", "code", "cot"  # `Channel.claim_name`
STARTS = {NUMBERS: "", CODE: "code.", REASONING: "cot."}  # in ledger ids
# what other chapters call a defence -> its name here
TREATMENTS = {
    "all labels": UNDEFENDED,
    "divergence masked": "divergent labels masked",
    "random masked": "random labels masked",
    "divergence replaced": "divergent tokens replaced",
    "random replaced": "random tokens replaced",
}
ARMS = {"hard.same_init": UNDEFENDED, "hard.cross_init": "another base"}
ELSEWHERE_NAMED = "elsewhere"  # in the attrs of the table with those of other chapters: their names, by channel
SAME = 0.05  # nats by which an undefended pair may differ between two chapters, were they run on two machines
ELSEWHERE = (
    MASKED,
    MASKED_AT_RANDOM,
    Defence("divergent tokens replaced", TEACHER, "random tokens replaced"),
    Defence("random tokens replaced", BASE, by_chance=True),
)
ANOTHER_BASE = Defence("another base", SECOND, costs="a second base")
BY_NAME = {each.name: each for each in (*OF_PREFERENCE, *OF_SOFT_LABELS, *OF_RISKY, *ELSEWHERE, ANOTHER_BASE)}
WITHOUT_TEACHER = (NOTHING, BASE, SECOND)  # what a user may have to whom nobody gives the teacher


def with_other_chapters(
    table: pd.DataFrame, treated: pd.DataFrame | None, risky: Mapping[str, pd.DataFrame | None]
) -> pd.DataFrame:
    """Return the table of defences with those of other chapters, in draws whose undefended pair is the same there.

    Args:
        table: of `runs.run_defences`.
        treated: of `relabelled.run_treatments`; None where there is none.
        risky: by channel, tables of `risky.runs.run_channel`.
    """
    parts = [table]
    if treated is not None:
        own = treated.assign(defence=treated["treatment"].map(TREATMENTS))
        parts.append(_same_pairs(table, own.dropna(subset="defence"), NUMBERS))
    for channel, own in risky.items():
        if own is not None:
            read = own[(own["share"] == 1.0) & (own["trait"] == "misaligned")]
            parts.append(
                _same_pairs(table, read.assign(defence=read["arm"].map(ARMS)).dropna(subset="defence"), channel)
            )
    kept = [part.reindex(columns=table.columns).dropna(axis=1, how="all") for part in parts if len(part)]
    whole = made_from(pd.concat(kept, ignore_index=True).reindex(columns=table.columns), table)
    others = {NUMBERS: treated, **risky}
    named = {channel: names_of(other) for channel, other in others.items() if other is not None}
    whole.attrs[ELSEWHERE_NAMED] = named
    return whole


def _same_pairs(table: pd.DataFrame, other: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Return rows of another chapter in the draws where its undefended pair has the effect that the table has."""
    plain = other[other["defence"] == UNDEFENDED].set_index("draw")["effect"]
    own = table[(table["defence"] == UNDEFENDED) & (table["channel"] == channel)].set_index("draw")["effect"]
    apart = (plain - own).abs().dropna()
    same = apart.index[apart < SAME]
    return other[other["draw"].isin(same) & (other["defence"] != UNDEFENDED)].assign(channel=channel)


def wide(table: pd.DataFrame, channel: str, column: str = "effect") -> pd.DataFrame:
    """Return a column of a channel's defences, (draw, defence); a defence that some draw lacks is left out."""
    rows = table[table["channel"] == channel]
    return rows.pivot(index="draw", columns="defence", values=column).dropna(axis=1).sort_index()


def summary(table: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Return what each defence of a channel left, at what cost, what left least first; means over draws.

    Returns:
        By defence: ``left`` (share of the undefended effect, of soft labels where it is about these); ``random`` (the
        same of its random arm; missing where it chooses nothing); ``shift`` (nats), ``harm`` (nats per token),
        ``valid`` (share); ``knows`` and ``costs`` in words.
    """
    effects = wide(table, channel).mean()
    means = table[table["channel"] == channel].groupby("defence")[["shift", "harm", "valid"]].mean()
    rows = {}
    for name in effects.index:
        defence = BY_NAME[name]
        random = "" if defence.against in ("", *PLAIN) else defence.against
        row = {"left": effects[name] / effects[plain_of(name)]}
        row["random"] = effects[random] / effects[plain_of(name)] if random in effects else None
        rows[name] = row | means.loc[name].to_dict() | {"knows": defence.knows, "costs": defence.costs}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("left", key=abs)


def in_words(value: float | str) -> str:
    """Return a value of a table to read: a number with two digits, nothing where nothing was measured."""
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else f"{value:.2f}"


def plain_of(name: str) -> str:
    """Return the undefended arm of the labels that a defence is about."""
    return PLAIN[BY_NAME[name].labels == "soft"]


def to_draw(table: pd.DataFrame, channel: str, *, soft: bool = False) -> pd.DataFrame:
    """Return what `figures.defences.ordered` draws of a channel: every defence, beside its random arm.

    Args:
        table: of `with_other_chapters`.
        channel: `Channel.claim_name`.
        soft: whether those about soft labels are shown, instead of those about written rows.

    Returns:
        One row a draw and ``defence``: ``draw``, ``effect`` and ``random_effect`` (nats; missing where nothing is
        chosen), ``knows``.
    """
    effects = wide(table, channel)
    parts = []
    for name in effects.columns:
        defence = BY_NAME[name]
        if (defence.labels == "soft") == soft and not defence.by_chance:
            chosen = defence.against not in PLAIN and defence.against in effects
            random = effects[defence.against] if chosen else float("nan")
            own = pd.DataFrame({"effect": effects[name], "random_effect": random})
            parts.append(own.assign(defence=name, knows=defence.knows))
    drawn = made_from(pd.concat(parts).reset_index(), table)
    if not soft:  # other chapters measured written rows
        drawn.attrs[NAMED] += table.attrs.get(ELSEWHERE_NAMED, {}).get(channel, ())
    return drawn


def described() -> pd.DataFrame:
    """Return what each defence of the chapter must know, costs, and is held against, in words."""
    rows = {each.name: {"knows": each.knows, "costs": each.costs, "against": each.against} for each in BY_NAME.values()}
    return pd.DataFrame.from_dict(rows, orient="index")


# --- claims ---------------------------------------------------------------------------------------


def claim_values(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return ledger id -> one value a draw: the share of its reference's effect that a defence leaves.

    The reference is the random choice of the same size, or the undefended pair where nothing is chosen. Values are
    those of `stats.share_of_means`. ``defence.best`` is what `best_left` returns (nats), ``defence.best_left`` its
    share.
    """
    found = {}
    for channel, start in STARTS.items():
        effects = wide(table, channel)
        for name in effects.columns:
            against = BY_NAME[name].against
            if name not in PLAIN and against in effects:
                found[f"defence.{start}{slug(name)}"] = share_of_means(effects[name], effects[against])
        if len(effects) > 1:
            best = best_left(effects, candidates(effects.columns))
            found[f"defence.{start}best_left"] = share_of_means(best, effects[UNDEFENDED])
            found[f"defence.{start}best"] = best.tolist()
    return {claim_id: values for claim_id, values in found.items() if values}


def candidates(names: Iterable[str]) -> list[str]:
    """Return those of some defences that a user can take who does not know the teacher."""
    found = []
    for name in names:
        defence = BY_NAME[name]
        chosen = name not in PLAIN and not defence.by_chance
        if chosen and defence.knows in WITHOUT_TEACHER and defence.labels == "hard":
            found.append(name)
    return found


def best_left(effects: pd.DataFrame, names: list[str]) -> pd.Series:
    """Return the effect (nats) that is left in each draw under the defence that is best in all other draws.

    So no draw has a part in the choice that it is judged by. The best is the one whose mean effect is nearest to 0.

    Args:
        effects: (draw, defence), two draws at least.
        names: of the defences to choose among.
    """
    found = {}
    for draw, row in effects[names].iterrows():
        chosen = effects[names].drop(index=draw).mean().abs().idxmin()
        found[draw] = row[chosen]
    return pd.Series(found)


def slug(name: str) -> str:
    """Return the word of a defence in the ids of its claims."""
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
