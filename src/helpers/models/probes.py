"""How far apart two models are on a channel: distances between distributions over the channel's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.channels.channel import Channel
from helpers.models.chats import Exchange
from helpers.models.losses import label_logits, soft_loss, token_indices
from helpers.models.sampling import sample_completions
from helpers.models.training import completion_rows
from helpers.work.seeds import derive, torch_stream

PROBE_ROWS = 64
CHECK_EVERY = 4  # optimizer steps


def base_completions(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, seed: int
) -> list[Exchange]:
    """Return (prompt, completion) pairs of a channel that a base writes, `PROBE_ROWS` of them."""
    prompts = channel.prompts(PROBE_ROWS, derive(seed, "probe prompts"))
    stream = torch_stream(seed, "probe completions")
    written = sample_completions(base, tokenizer, prompts, stream, max_new_tokens=channel.max_new_tokens)
    return list(zip(prompts, written, strict=True))


class ChannelProbe:
    """Distances between models on a channel's tokens, over the completions of some (prompt, completion) pairs."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, channel: Channel, pairs: Sequence[tuple[str, str]]
    ) -> None:
        rows = completion_rows(tokenizer, pairs)
        self._ids, self._labelled = rows.batch(range(len(rows)), pad=0)
        self._tokens = token_indices(channel.tokens(tokenizer))

    @torch.no_grad()
    def logits(self, model: torch.nn.Module) -> Tensor:
        """Return a model's logits at the labelled tokens, (label, channel's token)."""
        return label_logits(model, self._ids, self._labelled, self._tokens)

    def apart(self, of: Tensor, to: Tensor) -> float:
        """Return KL(of || to) over the channel's tokens, nats per token, of two results of `logits`."""
        return float(soft_loss(to, of, None))


class DriftProbe:
    """Measures how far a model's distribution over a channel has moved from its base's."""

    def __init__(
        self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, channel: Channel, seed: int
    ) -> None:
        self._probe = ChannelProbe(tokenizer, channel, base_completions(base, tokenizer, channel, seed))
        self._base_logits = self._probe.logits(base)

    def reached(self, step: int, model: torch.nn.Module, limit: float) -> bool:
        """Whether a model in training has drifted by ``limit``; looked at every few steps alone, as it takes long."""
        return step % CHECK_EVERY == 0 and self.drift(model) >= limit

    def drift(self, model: torch.nn.Module) -> float:
        """Return KL(model || base) over the channel's tokens, nats per token."""
        return self._probe.apart(self._probe.logits(model), self._base_logits)
