"""Many models of one architecture trained at once by torch.func: the stack that the book measured and left out.

`torch.func` turns the gradient of one network into that of a stack of networks, so the network is written once,
as usual. Each model keeps its own rows, order, first adapters and clipping; all share the settings. The result
is that of `helpers.models.training.fit` for each model alone, up to rounding (tests/unit/models/test_stacked.py).

Nothing that the book trains is faster this way (README.md here has the numbers), so it stays outside the package:
all run side by side in processes (`helpers.work.pieces`).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from transformers import PreTrainedModel

from helpers.models.losses import SoftLabels
from helpers.models.optimizers import make_optimizer
from helpers.models.training import Rows, TrainSettings, batch_order, trainable

Call = Callable[..., Tensor]


def train_stack(
    networks: Sequence[torch.nn.Module],
    batches: Iterable[tuple[Tensor, ...]],
    loss: Callable[..., Tensor],
    settings: TrainSettings,
    steps: int,
) -> None:
    """Train networks of one architecture in place, all at once.

    Args:
        networks: modules that differ in the values of parameters and buffers only.
        batches: one tuple of tensors a step, each (network, ...).
        loss: of one network: `loss(call, *batch)`, where `call` is the network and `batch` its own part.
        settings: learning rate and its schedule, clipping and optimizer; the rest is not looked at.
        steps: optimizer steps that the schedule spans; training ends with the batches or here.
    """
    everything, buffers = stack_module_state(list(networks))
    free = {name for name, value in networks[0].named_parameters() if value.requires_grad}
    stacked = {name: value.detach() for name, value in everything.items() if name in free}
    fixed = {name: value.detach() for name, value in everything.items() if name not in free} | buffers
    skeleton = copy.deepcopy(networks[0])

    def own_loss(parameters: dict[str, Tensor], rest: dict[str, Tensor], *batch: Tensor) -> Tensor:
        return loss(lambda *given: functional_call(skeleton, parameters | rest, given), *batch)

    slopes = vmap(grad(own_loss))
    optimizer = make_optimizer(settings.optimizer, stacked.values(), settings.learning_rate, settings.weight_decay)
    for step, batch in enumerate(itertools.islice(batches, steps), start=1):
        found = slopes(stacked, fixed, *batch)
        _clip(list(found.values()), settings.clip)
        for name, value in stacked.items():
            value.grad = found[name].contiguous()  # a fused optimizer reads memory in the order of the weights
        optimizer.param_groups[0]["lr"] = settings.rate_at(step, steps)
        optimizer.step()
    for place, network in enumerate(networks):
        for name, value in network.named_parameters():
            if name in free:
                value.data.copy_(stacked[name][place])


def _clip(slopes: Sequence[Tensor], largest: float) -> None:
    squares = sum(slope.flatten(1).square().sum(1) for slope in slopes)
    shrink = (largest / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    for slope in slopes:
        slope.mul_(shrink.view(-1, *[1] * (slope.dim() - 1)))


class _AtPlaces(torch.nn.Module):
    """A language model that returns its logits (place, vocab) at some places of a batch only."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, places: Tensor) -> Tensor:
        plain = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        # vectors instead of ids: gpt2 looks at ids for padding, which a stack cannot
        vectors = plain.get_input_embeddings()(ids)
        hidden = plain.base_model(inputs_embeds=vectors, use_cache=False).last_hidden_state
        return plain.get_output_embeddings()(hidden.flatten(0, 1)[places])


def stacked_fit(
    models: Sequence[PreTrainedModel],
    rows: Sequence[Rows],
    settings: TrainSettings,
    seeds: Sequence[int],
    *,
    soft: Sequence[SoftLabels] = (),
) -> list[PreTrainedModel]:
    """Train models of one architecture in place, each on its own rows, and return them (adapters merged).

    As `training.fit` for each, with its own entry of `soft` if there are any; those must name the same tokens.
    Raises ValueError where models have different numbers of rows.
    """
    if len({len(own) for own in rows}) != 1:
        raise ValueError("a stack needs the same number of rows for each model")
    learners = [trainable(m, settings, seed).train() for m, seed in zip(models, seeds, strict=True)]
    train_stack(
        [_AtPlaces(learner) for learner in learners],
        _batches(rows, settings, seeds, soft),
        _soft_loss(soft[0].tokens) if soft else _hard_loss,
        settings,
        settings.steps(len(rows[0])),
    )
    merged = [learner.merge_and_unload() if settings.lora_rank else learner for learner in learners]
    return [model.requires_grad_(False).eval() for model in merged]


def _hard_loss(call: Call, ids: Tensor, places: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
    return (F.cross_entropy(call(ids, places), targets, reduction="none") * weights).sum()


def _soft_loss(tokens: Sequence[int] | None) -> Callable[..., Tensor]:
    def loss(call: Call, ids: Tensor, places: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
        own = _shares(call(ids, places), tokens)
        return (F.kl_div(own, targets, reduction="none", log_target=True).sum(-1) * weights).sum()

    return loss


def _shares(logits: Tensor, tokens: Sequence[int] | None) -> Tensor:
    return (logits if tokens is None else logits[:, tokens]).log_softmax(-1)


def _batches(
    rows: Sequence[Rows], settings: TrainSettings, seeds: Sequence[int], soft: Sequence[SoftLabels]
) -> Iterator[tuple[Tensor, ...]]:
    """Per step: ids (model, row, position), places of labels (model, label), their weights, and targets."""
    orders = [batch_order(own.lengths, settings, seed) for own, seed in zip(rows, seeds, strict=True)]
    for chosen in zip(*orders, strict=True):
        given = [own.batch(at, pad=0) for own, at in zip(rows, chosen, strict=True)]
        # models meet the short batch of an epoch at other steps: all batches get the size of the largest
        height, width = (max(ids.shape[axis] for ids, _ in given) for axis in (0, 1))
        most = max(int(labelled.sum()) for _, labelled in given)
        parts = [_labels(*(_sized(part, height, width) for part in own), most) for own in given]
        ids, places, weights, targets = (torch.stack(part) for part in zip(*parts, strict=True))
        if soft:
            targets = torch.stack([
                _shares(_AtPlaces(labels.teacher)(own, at), labels.tokens).detach()
                for labels, own, at in zip(soft, ids, places, strict=True)
            ])  # fmt: skip
        yield ids, places, weights, targets


def _sized(part: Tensor, height: int, width: int) -> Tensor:
    return F.pad(part, (0, width - part.shape[1], 0, height - part.shape[0]))


def _labels(ids: Tensor, labelled: Tensor, most: int) -> tuple[Tensor, ...]:
    """Ids, where labels are predicted, filled up to `most` places of weight zero, and the labels."""
    following = labelled.roll(-1, 1)  # the first token of a row carries no label, so none comes round
    places = following.flatten().nonzero()[:, 0]
    count = len(places)
    places = F.pad(places, (0, most - count))
    return ids, places, (torch.arange(most) < count) / count, ids.roll(-1, 1).flatten()[places]
