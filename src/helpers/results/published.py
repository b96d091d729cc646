"""Published rows and recomputed rows: a notebook computes some draws here and takes the others from results/.

Design choices:
- A draw is one independent repetition of everything from one seed, and every row of every table names its draw. So a
  table can be put together from draws computed on different machines.
- `results/<profile>/parameters.json` holds the parameters under which the published rows were made. Where a notebook
  has others, its rows and the published ones are not repetitions of one experiment: the published ones are left out,
  and the chapter says why.
- A profile that has published nothing computes every draw.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.results.costs import joined_seconds
from helpers.results.tables import NAMED, table_kinds
from helpers.results.words import listed_draws
from helpers.work import artifacts
from helpers.work.artifacts import RESULTS, SEALS
from helpers.work.errors import CurableError

if TYPE_CHECKING:
    import pandas as pd

PARAMETERS = "parameters.json"  # in results/<profile>: notebook -> parameter -> value, as published
# where, which, how fast; never what comes out
NEUTRAL = ("run_dir", "draws", "recompute", "few_draws", "retrain", "workers")
SHOWN = "shown"  # in a run folder: the tables that its chapters show, published rows included


class PublishedError(CurableError, ValueError):
    """Published and recomputed rows cannot make one table; the message says what to change."""


@dataclass(frozen=True)
class PublishedRun:
    """The published run of a profile, which may not exist: `folder` is results/<profile>."""

    folder: Path

    def all_parameters(self) -> dict[str, dict[str, Any]]:
        """Return notebook -> parameter -> value as published; nothing where nothing was published."""
        file = self.folder / PARAMETERS
        return artifacts.read_object(file) if file.exists() else {}

    def difference(self, notebook: str, given: Mapping[str, Any]) -> str:
        """Return a sentence on the parameters in `given` that differ from the published ones; empty where none does."""
        unlike = []
        for name, before in self.all_parameters().get(notebook, {}).items():
            now = json.loads(json.dumps(given[name])) if name in given else "absent"
            if name not in NEUTRAL and now != before:
                unlike.append(f"`{name}` is {now!r}, published with {before!r}")
        if not unlike:
            return ""
        return f"The rows of {self.folder.as_posix()} are left out, for {'; '.join(unlike)}."


def seals(folder: Path) -> dict[str, str]:
    """Return name -> SHA-256 of the tensors of the bases in a folder; nothing where it says nothing."""
    file = folder / SEALS
    return artifacts.read_object(file) if file.exists() else {}


def with_other_bases(run_dir: Path, published: Path, draws: Iterable[int]) -> set[int]:
    """Return those of `draws` whose base models in a run are not the published ones.

    A run reads the published bases of a draw unless it has some of its own. Those of draw 705 end in ".705". Relatives
    that are not published decide nothing.
    """
    own, known = seals(run_dir / "bases"), seals(published / "bases")
    read, others = known | own, set()
    for draw in draws:
        names = [name for name in known if name.endswith(f".{draw}")]
        if not names or any(read[name] != known[name] for name in names):
            others.add(draw)
    return others


@dataclass
class Chapter:
    """The draws of one notebook: which it shows, which of them it computes here, and its finished tables."""

    notebook: str
    run_dir: Path
    published: Path  # results/<profile>, there or not
    draws: tuple[int, ...]  # all that are shown, ascending
    recompute: tuple[int, ...]  # those computed here, ascending
    few: tuple[int, ...] = ()  # draws of the arms that run on these alone; empty: every arm runs on all
    differs: str = ""  # why the published rows are left out; empty where they are shown
    _seconds: dict[str, float] = field(default_factory=dict)  # table -> what its rows took that were computed here
    _recorded: set[str] = field(default_factory=set)  # claims that have values of all draws

    @property
    def seconds(self) -> float:
        """Return the seconds that the rows of all tables so far took, as far as they were computed here."""
        return sum(self._seconds.values())

    @property
    def _taken(self) -> list[int]:
        """Return the draws whose rows are published ones."""
        return [draw for draw in self.draws if draw not in self.recompute]

    @property
    def _known(self) -> list[int]:
        """Return the draws whose rows are published, shown here or not."""
        return list(PublishedRun(self.published).all_parameters().get(self.notebook, {}).get("draws", []))

    def __repr__(self) -> str:
        """Return one sentence: what is shown, what of it is computed here, and what is left out."""
        from helpers.results.runs import earlier_run

        here = f"Draws computed here: {listed_draws(self.recompute)}" if self.recompute else "No draw is computed here"
        others = self._taken
        rest = f"; published in {self.published.as_posix()}: {listed_draws(others)}" if others else ""
        rest += earlier_run(self.published, others)
        return f"{self.differs} {here}{rest}.".lstrip()

    def _repr_markdown_(self) -> str:
        """Return the same sentence, as a notebook shows it; parameters may hold any text."""
        return repr(self).replace("<", "\\<")

    def table(self, name: str, make: Callable[..., pd.DataFrame], *args: Any, **kwargs: Any) -> pd.DataFrame:
        """Return the table `name` of all draws: rows computed here, and the published rows of the others.

        Args:
            name: of the table, without its ending.
            make: computes the rows of the draws in `recompute`; not called where there are none.
            *args: what `make` is called with.
            **kwargs: what `make` is called with.

        Returns:
            The rows by draw, ascending, within a draw in their own order; attrs["seconds"] is what those computed here
            took, attrs["table"] the name. A table that was never published holds the rows computed here, perhaps none.

        Raises:
            PublishedError: a row without a draw or of one not asked for, columns other than those published, or
                nothing to show.
        """
        import pandas as pd

        own = make(*args, **kwargs) if self.recompute else pd.DataFrame()
        seconds = own.attrs.get("seconds", 0.0)
        self._seconds[name] = sum(seconds.values()) if isinstance(seconds, Mapping) else seconds
        self._require_draws(name, own)
        others = self._published_rows(name)
        if len(own) and len(others) and set(own.columns) != set(others.columns):
            unlike = ", ".join(sorted(set(own.columns) ^ set(others.columns)))
            cure = "recompute all draws (DRAWS=all)"
            raise PublishedError(f"{self._file(name)} has other columns than the rows computed here ({unlike}); {cure}")
        parts = [part for part in (own, others) if len(part)]
        # a table of few draws may have none of those that are computed here
        if not parts and self._file(name).exists() and not self.recompute:
            raise PublishedError(f"table {name} has no row to show; name a draw in the parameter `recompute`")
        # an empty part would change the types of the columns
        empty = own if "draw" in own else _without_rows(name)
        table = pd.concat(parts, ignore_index=True) if parts else empty
        table = table.sort_values("draw", kind="stable", ignore_index=True)
        table.attrs |= {"seconds": seconds, NAMED: name}
        artifacts.write_table(self.run_dir / SHOWN / f"{name}.csv", table)
        return table

    def record(
        self,
        values: Mapping[str, Sequence[float]],
        *,
        params: Any,
        seconds: float | None = None,
        seeds: Sequence[int] | None = None,
        shared_draw: bool = False,
    ) -> pd.DataFrame:
        """Record the claims of this notebook among `values`, and return them as `ledger.table` shows them.

        Args:
            values: claim id -> one value a draw, in the order of `draws`, or of `few`. A claim that has values of the
                recomputed draws alone, or none, hangs on a table that was not published: its published record is kept.
            params: what decides the values; where, which draws and how fast are taken out.
            seconds: what the values took here; default: all tables of this chapter. Published rows add what they took
                where they were computed.
            seeds: units where they are not the chapter's draws, one a value.
            shared_draw: whether these units share a draw, so that nothing can be judged by them.

        Returns:
            One row a claim; a single draw, or the single one of few, has a value but no interval, and is not recorded.
        """
        from helpers.results import ledger

        units = self.draws if seeds is None else tuple(seeds)
        claimed = ledger.claimed(self.notebook, dict(values))
        seconds = self.seconds if seconds is None else seconds
        if len(units) < 2:
            return ledger.preview(claimed)
        of_length = {len(draws): draws for draws in (self.few, units) if len(draws) > 1}
        partial = self._partial_lengths() - {*of_length}
        whole = {claim_id: runs for claim_id, runs in claimed.items() if len(runs) not in partial}
        self._recorded |= whole.keys()
        before = self._published_records()
        shown = {*whole, *ledger.keep(self.run_dir, self.notebook, before, known=self._recorded)}
        took = {} if before is None else {entry.id: entry.seconds for entry in ledger.load(before)}
        made = []
        for claim_id, runs in whole.items():
            of_all = joined_seconds(seconds, took.get(claim_id), self._taken, self._known)
            runs_of = of_length.get(len(runs), units)
            made.append(ledger.measured(self.notebook, claim_id, runs, runs_of, params, of_all, shared_draw))
        ledger.file_records(self.run_dir, self.notebook, made)
        table = ledger.table(self.run_dir, [claim_id for claim_id in claimed if claim_id in shown])
        lone = {claim_id: runs for claim_id, runs in claimed.items() if len(runs) == 1 and claim_id not in table.index}
        return ledger.with_previews(table, lone)

    def _partial_lengths(self) -> set[int]:
        """Return how many values a claim has that lacks the published draws, or whose few draws carry no interval."""
        alone = {len(self.few)} if len(self.few) < 2 else set()
        if self.differs:  # then nothing is left to lack
            return alone
        return alone | {0, len(self.recompute), len({*self.recompute} & {*self.few})}

    def _file(self, name: str) -> Path:
        return self.published / "tables" / f"{name}.csv"

    def _require_draws(self, name: str, own: pd.DataFrame) -> None:
        if not len(own):
            return
        if "draw" not in own.columns:
            raise PublishedError(f"table {name} has no column `draw`; each row must name the draw it belongs to")
        if strange := sorted(set(own["draw"]) - set(self.recompute)):
            asked = listed_draws(self.recompute)
            raise PublishedError(f"table {name} has rows of draw {strange[0]}, but the draws computed are {asked}")

    def _published_rows(self, name: str) -> pd.DataFrame:
        import pandas as pd

        if self.differs or not self._taken or not self._file(name).exists():
            return pd.DataFrame()
        rows = artifacts.read_table(self._file(name))
        return rows[rows["draw"].isin(self._taken)]

    def _published_records(self) -> Path | None:
        file = self.published / "ledger.json"
        return file if file.exists() and not self.differs else None


def _without_rows(name: str) -> pd.DataFrame:
    import pandas as pd

    kind = table_kinds().get(name)
    columns = kind.columns if kind else ("draw",)
    return pd.DataFrame({column: pd.Series(dtype=float) for column in columns})


def open_chapter(notebook: str, given: Mapping[str, Any]) -> Chapter:
    """Return the chapter of `notebook` (name without ending) whose parameters are among `given`, its globals().

    Raises:
        PublishedError: `draws` or `recompute` is missing, one of them or `few_draws` is no list of distinct whole
            numbers, or nothing would be shown.
    """
    run_dir = Path(given["run_dir"])
    published = PublishedRun(RESULTS / run_dir.name)
    draws, asked = _whole_numbers(notebook, "draws", given), _whole_numbers(notebook, "recompute", given)
    known = published.all_parameters().get(notebook)
    if known is None:
        return _chapter(notebook, given, draws, draws)
    have = set(known["draws"])
    # a draw that nobody published is computed, and a published one that is not shown is not
    recompute = {draw for draw in asked if draw in draws or draw not in have} | (set(draws) - have)
    differs = published.difference(notebook, given)
    if not differs:
        return _chapter(notebook, given, {*draws, *recompute}, recompute)
    if not recompute:
        raise PublishedError(f"{differs} Nothing is left to show: name draws of {listed_draws(draws)} in `recompute`")
    return _chapter(notebook, given, recompute, recompute, differs)


def _chapter(
    notebook: str, given: Mapping[str, Any], shown: Iterable[int], recompute: Iterable[int], differs: str = ""
) -> Chapter:
    few = _whole_numbers(notebook, "few_draws", given) if "few_draws" in given else ()
    run_dir = Path(given["run_dir"])
    return Chapter(
        notebook=notebook,
        run_dir=run_dir,
        published=RESULTS / run_dir.name,
        draws=tuple(sorted(shown)),
        recompute=tuple(sorted(recompute)),
        few=tuple(draw for draw in sorted(shown) if draw in few),
        differs=differs,
    )


def _whole_numbers(notebook: str, name: str, given: Mapping[str, Any]) -> tuple[int, ...]:
    value = given.get(name)
    if not isinstance(value, list | tuple) or not all(type(draw) is int and draw >= 0 for draw in value):
        raise PublishedError(f"{notebook}: parameter `{name}` must be a list such as [701, 702], not {value!r}")
    if name == "draws" and not value:
        raise PublishedError(f"{notebook}: parameter `draws` is empty; name at least one seed")
    return tuple(sorted(set(value)))  # notebook 05 names a draw once for each teacher that has it
