"""Close calls of authors as published: which author drew what where, and the table of them.

`results/<profile>/close_calls.csv` has one row a close call of the published draws: the author's mark, the number of
the prompt, the position in the completion and the token drawn. The table changes nothing on the machine that published
it; on another, an author that is the same to 2e-5 writes the same rows to the letter.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.models.close_calls import Place
from helpers.work.artifacts import RESULTS, read_object, read_table
from helpers.work.elsewhere import at_hand
from helpers.work.keys import content_key, source_key

if TYPE_CHECKING:
    import pandas as pd

    from helpers.transmission.authors import Author

FILE = "close_calls.csv"
COLUMNS = ("author", "prompt", "position", "token")
MARK_LENGTH = 12  # hex digits; some thousand authors are published


def author_mark(settings: dict[str, Any]) -> str:
    """Return what names an author in the table, given its settings as JSON; wherever its run lies."""
    base = {name: value for name, value in settings["base"].items() if name != "run_dir"}
    return content_key(settings | {"base": base})[:MARK_LENGTH]


def known_calls(author: Author) -> dict[Place, int]:
    """Return how the published run settled the close calls of an author; nothing where it has none of it."""
    published = at_hand(RESULTS / Path(author.base.run_dir).name / FILE)
    if not published.exists():
        return {}
    calls = _published(published, published.stat().st_mtime_ns)
    return calls.get(author_mark(dataclasses.asdict(author)), {})


@functools.lru_cache(maxsize=2)
def _published(file: Path, changed: int) -> dict[str, dict[Place, int]]:  # a worker sees files of several callers
    authors: dict[str, dict[Place, int]] = {}
    for author, prompt, position, token in read_table(file)[list(COLUMNS)].itertuples(index=False):
        authors.setdefault(author, {})[int(prompt), int(position)] = int(token)
    return authors


def calls_of_run(run_dir: Path) -> pd.DataFrame:
    """Return the close calls of all authors of a run that wrote by the present code; columns: `COLUMNS`.

    Raises:
        ArtifactError: a piece of the run is damaged.
    """
    import pandas as pd

    code = source_key("helpers.transmission.writing")
    rows: list[list[Any]] = []
    for file in sorted((run_dir / "cells" / "completions").glob("*.json")):
        piece = read_object(file, "settings", "result")
        if piece["settings"]["code"] == code:
            mark = author_mark(piece["settings"]["piece"])
            rows += [[mark, *call] for call in piece["result"]["close_calls"]]
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(list(COLUMNS), ignore_index=True)


def joined(own: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the calls of a run and those published before of authors that the run does not have."""
    import pandas as pd

    others = published[~published["author"].isin(own["author"])]
    parts = [part for part in (own, others) if len(part)]  # an empty part would change the types of the columns
    together = pd.concat(parts, ignore_index=True) if parts else own
    return together.sort_values(list(COLUMNS), ignore_index=True)
