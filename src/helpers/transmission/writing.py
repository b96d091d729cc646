"""Writing: what an author answers to its prompts, and what the filter keeps of it."""

from __future__ import annotations

import functools
from typing import Any

from helpers.filters import removal_report
from helpers.models.chats import Exchange
from helpers.models.close_calls import CloseCalls
from helpers.models.sampling import sample_completions
from helpers.transmission.authors import Author, author_model
from helpers.transmission.settled import known_calls
from helpers.work.pieces import run_pieces
from helpers.work.seeds import torch_stream


def write_data(author: Author) -> dict[str, Any]:
    """Let an author write; return the completions that pass the filter and what was removed.

    Returns:
        ``rows``: [prompt number, completion] of every kept completion; ``report``: removals by reason;
        ``close_calls``: [prompt number, position, token id] where rounding could have decided, see `settled`.
    """
    model, tokenizer = author_model(author)
    prompts, calls = author.asked, CloseCalls(known_calls(author))
    completions = sample_completions(
        model,
        tokenizer,
        prompts,
        torch_stream(author.seed, "completions"),
        system=author.system,
        temperature=author.temperature,
        max_new_tokens=author.kind.max_new_tokens,
        calls=calls,
    )
    reasons = author.kind.reject_reasons(prompts, completions)
    rows = [[place, text] for place, text in enumerate(completions) if not reasons[place]]
    return {"rows": rows, "report": removal_report(reasons), "close_calls": calls.as_rows()}


def written(author: Author) -> dict[str, Any]:
    """Return what `write_data` gives, written now if it was not yet."""
    return run_pieces(write_data, [author], author.store, kind="completions", workers=1)[0]


@functools.lru_cache(maxsize=8)  # the students of one author come in a row
def kept_rows(author: Author) -> dict[int, str]:
    """Return an author's kept completions by prompt number, written now if they were not yet."""
    return {place: text for place, text in written(author)["rows"]}


def kept_of_all(author: Author, *others: Author) -> list[int]:
    """Return the numbers of the prompts that the filter kept of an author and of all others, in the order asked.

    Raises:
        ValueError: there are none.
    """
    places = list(kept_rows(author))
    for other in others:
        rows = kept_rows(other)
        places = [place for place in places if place in rows]
    if not places:
        raise ValueError(
            f"the filter kept nothing of the {author.how} author of seed {author.seed} or of its partner; "
            "lower drift or pretrain the base longer"
        )
    return places


def matched_pairs(author: Author, *others: Author) -> list[Exchange]:
    """Return an author's (prompt, completion) pairs at the prompts that the filter kept of it and of all others.

    Raises:
        ValueError: it kept none.
    """
    own, prompts = kept_rows(author), author.asked
    return [(prompts[place], own[place]) for place in kept_of_all(author, *others)]
