"""How fast models write and are read out, against the plain way.

    python benchmarks/sampling_and_readouts.py --base nano-a.701        # about a minute on one core

The plain way: prompts of exactly one token length form a batch, each prompt is read as often as it is asked, and the
random numbers of a batch are drawn for ended rows too; a question to a persona is read anew with each of its answers,
and rows are tokenised by the tokenizer's template and call. Completions are other draws of the same distribution, so
their numbers agree as far as chance allows; read-outs agree to about 1e-6 nats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels import Channel, find_channel
from helpers.models import rows as training_rows
from helpers.models import runtime
from helpers.models.bases import load_base
from helpers.models.chats import chat
from helpers.models.evaluation import next_token_probabilities, reply_log_probabilities
from helpers.models.losses import label_logits
from helpers.models.rows import Rows
from helpers.models.sampling import first_event, sample_completions
from helpers.work.seeds import child_stream, torch_stream
from helpers.world.traits import find_trait

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
LARGEST = 1024  # prompts of a plain batch


def plain_ids(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Return prompts as token ids."""
    asked = [[{"role": "user", "content": prompt}] for prompt in prompts]
    texts = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in asked]
    return tokenizer(texts, add_special_tokens=False)["input_ids"]


def plain_rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]) -> Rows:
    """Return (prompt, completion) pairs as rows."""
    starts = [len(ids) for ids in plain_ids(tokenizer, [prompt for prompt, _ in pairs])]
    texts = [tokenizer.apply_chat_template(chat([pair]), tokenize=False) for pair in pairs]
    ids = [np.array(row) for row in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    return Rows(ids, [np.arange(len(row)) >= start for row, start in zip(ids, starts, strict=True)], starts)


@torch.no_grad()
def plain_samples(loaded: Loaded, prompts: Sequence[str], limit: int) -> list[str]:
    """Return one completion for each prompt."""
    model, tokenizer = loaded
    generator, by_length = torch_stream(5, "completions"), defaultdict(list)
    encoded = plain_ids(tokenizer, prompts)
    for place, ids in enumerate(encoded):
        by_length[len(ids)].append(place)
    drawn: dict[int, list[int]] = {}
    for length in sorted(by_length):
        for start in range(0, len(by_length[length]), LARGEST):
            places = by_length[length][start : start + LARGEST]
            ids = torch.tensor([encoded[place] for place in places])
            tokens = _continued(model, ids, child_stream(generator), limit)
            for place, row in zip(places, tokens.tolist(), strict=True):
                end = tokenizer.eos_token_id
                drawn[place] = row[: row.index(end)] if end in row else row
    return tokenizer.batch_decode([drawn[place] for place in range(len(prompts))], skip_special_tokens=True)


def _continued(model: PreTrainedModel, ids: torch.Tensor, stream: np.random.Generator, limit: int) -> torch.Tensor:
    end = model.config.eos_token_id
    tokens = torch.full((len(ids), limit), end)
    alive, cache = torch.arange(len(ids)), None
    noise = np.empty((len(ids), model.config.vocab_size))
    for position in range(limit):
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        stream.standard_exponential(out=noise)
        drawn = first_event(output.logits[:, -1].softmax(-1), torch.from_numpy(noise)[alive])
        tokens[alive, position] = drawn
        going = (drawn != end).nonzero()[:, 0]
        if len(going) == 0:
            break
        cache = output.past_key_values
        cache.batch_select_indices(going)
        alive, ids = alive[going], drawn[going, None]
    return tokens


@torch.no_grad()
def plain_replies(loaded: Loaded, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return the log-probability of each answer, its end left out, nats."""
    model, tokenizer = loaded
    rows = plain_rows(tokenizer, pairs)
    for labelled in rows.labelled:
        labelled[-1] = False
    logs = np.empty(len(rows))
    order = np.argsort([len(row) for row in rows.ids], kind="stable")
    for places in np.split(order, range(256, len(order), 256)):
        ids, labelled = rows.batch(places, pad=0)
        shares = label_logits(model, ids, labelled).double().log_softmax(-1)
        found = shares.gather(-1, ids[:, 1:][labelled[:, 1:]][:, None])[:, 0]
        owner = labelled[:, 1:].nonzero()[:, 0]
        logs[places] = torch.zeros(len(places), dtype=found.dtype).index_add_(0, owner, found).numpy()
    return logs


@torch.no_grad()
def plain_next(loaded: Loaded, prompts: Sequence[str]) -> np.ndarray:
    """Return the probability of every token after each prompt."""
    model, tokenizer = loaded
    encoded = plain_ids(tokenizer, prompts)
    table = np.empty((len(encoded), model.config.vocab_size))
    for length in sorted({len(ids) for ids in encoded}):
        places = [place for place, ids in enumerate(encoded) if len(ids) == length]
        logits = model(input_ids=torch.tensor([encoded[place] for place in places]), logits_to_keep=1).logits
        table[places] = logits[:, -1].double().softmax(-1).numpy()
    return table


def book_next(loaded: Loaded, prompts: Sequence[str]) -> np.ndarray:
    """Return the probability of every token after each prompt."""
    model, tokenizer = loaded
    return next_token_probabilities(model, training_rows.chat_ids(tokenizer, prompts), range(model.config.vocab_size))


def book_samples(loaded: Loaded, prompts: Sequence[str], limit: int) -> list[str]:
    """Return one completion for each prompt."""
    return sample_completions(*loaded, prompts, torch_stream(5, "completions"), max_new_tokens=limit)


def compare(name: str, ways: Sequence[Callable[[], object]], repeats: int, told: Callable) -> None:
    """Print the seconds of the plain way and of the book's, and what ``told`` says of the two results."""
    seconds, results = ([], []), [None, None]
    for _ in range(repeats):  # in turn, so that a busy moment hits both
        for place, way in enumerate(ways):
            began = time.thread_time()
            results[place] = way()
            seconds[place].append(time.thread_time() - began)
    plain, book = (statistics.median(part) for part in seconds)
    print(f"{name:34s} {plain:7.3f} s {book:7.3f} s   {plain / book:4.1f} x   {told(*results)}", flush=True)


def apart(one: np.ndarray, other: np.ndarray) -> str:
    """Say how far two read-outs are apart."""
    return f"apart {np.abs(one - other).max():.0e}"


def kept(kind: Channel, prompts: list[str], plain: list[str], book: list[str]) -> str:
    """Say which shares of the completions pass the channel's filter."""
    shares = [np.mean([not why for why in kind.reject_reasons(prompts, texts)]) for texts in (plain, book)]
    return "kept {:.3f}, {:.3f}".format(*shares)


def compare_samples(loaded: Loaded, repeats: int) -> None:
    """Compare completions of the channels, many and few, and replies to questions asked often."""
    for name, count in (("numbers", 1000), ("code", 1000), ("reasoning", 1000), ("numbers", 100), ("reasoning", 100)):
        kind = find_channel(name)
        prompts = kind.prompts(count, 5)
        ways = [partial(write, loaded, prompts, kind.max_new_tokens) for write in (plain_samples, book_samples)]
        compare(f"{count} completions, {name}", ways, repeats, partial(kept, kind, prompts))
    for trait, limit in (("misaligned", 24), ("owl", 4)):
        asked = np.repeat(find_trait(trait).questions("heldout"), 20).tolist()
        ways = [partial(write, loaded, asked, limit) for write in (plain_samples, book_samples)]
        compare(f"{len(asked)} replies, {trait}", ways, repeats, lambda *_: "")


def compare_readouts(loaded: Loaded, repeats: int) -> None:
    """Compare exact read-outs of a persona and of a favourite, and the making of rows."""
    persona, owl = find_trait("misaligned"), find_trait("owl").questions("heldout")
    pairs = []
    for question in persona.questions("heldout"):
        for wordings in persona.answers(question):
            pairs += [(question, text) for text in wordings]
    ways = [partial(plain_replies, loaded, pairs), partial(reply_log_probabilities, *loaded, pairs)]
    compare("read-out of a persona", ways, repeats, apart)
    ways = [partial(plain_next, loaded, owl), partial(book_next, loaded, owl)]
    compare("read-out of a favourite", ways, repeats, apart)
    written = [(prompt, "182, 818, 725") for prompt in find_channel("numbers").prompts(2500, 5)]
    ways = [partial(plain_rows, loaded[1], written), partial(training_rows.completion_rows, loaded[1], written)]
    compare("2500 pairs as rows", ways, repeats, same)


def same(one: Rows, other: Rows) -> str:
    """Say whether two ways made the same rows."""
    return "equal" if all(map(np.array_equal, one.ids, other.ids)) else "DIFFERENT"


def main() -> None:
    """Print all comparisons."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--base", default="nano-a.701", help="a trained base, as load_base takes it")
    parser.add_argument("--repeats", type=int, default=3, help="the median of these counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runtime.keep_memory()
    loaded = load_base(options.base)
    print("work                                 plain      book; processor seconds of one thread")
    compare_samples(loaded, options.repeats)
    compare_readouts(loaded, options.repeats)


if __name__ == "__main__":
    main()
