"""The models of one draw as files that a page can run: base, teacher, student, control and stranger.

Design choices:
- A base's file is the book's own (`models.nano_files`): bfloat16, which is exactly what a base is. The others are kept
  as what training changed, a matrix as two thin factors where its change has a low rank, as that of adapters does.
- `read_bundle` gives the models as the page has them, so that numbers of both can be compared to the last bits. How far
  they are from the models that were given is measured when the bundle is written, and too far is refused.
- The manifest names every file with its size and SHA-256, and holds the answers to the first question, so that the page
  shows something before it loads any weights.
- Weights and words are all that travels; assets/nano_model.js does the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.figures.ask import OPENING
from helpers.models.answers import answer_probabilities, next_token_probabilities
from helpers.models.chats import chat_ids
from helpers.models.nano_files import base_file, read_base, save_base
from helpers.results.bundles import MANIFEST, ROLES, WORDS
from helpers.work.artifacts import load_tensors, read_object, save_tensors, write_json
from helpers.work.errors import CurableError
from helpers.world.prompts import SYSTEM_DEFAULT, favourite_questions
from helpers.world.tokenizer import PATTERN, SPECIALS, build_tokenizer
from helpers.world.traits import find_trait

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

SLACK = 0.02  # by which a probability of a model in the bundle may differ from that of the model given
TINY = 1e-4  # of the largest: smaller singular values of a change are the rounding of a merged adapter
OTHER = "other"  # the file of the base that the stranger started from


class BundleError(CurableError, ValueError):
    """The models given do not make a bundle; the message names the model and the cure."""


def write_bundle(
    folder: str | Path,
    *,
    base: PreTrainedModel,
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    control: PreTrainedModel,
    stranger: PreTrainedModel,
    stranger_base: PreTrainedModel | None = None,
    trait: str = "owl",
    draw: int | None = None,
) -> dict[str, Any]:
    """Write the models of a draw for the explorer "ask the models", and return the manifest.

    Args:
        folder: made if it is missing; its name is the bundle's.
        base: the draw's nano base, of the Llama kind.
        teacher: loves the trait; started from the base, like student and control; adapters merged.
        student: read the teacher's rows.
        control: read the untouched base's rows.
        stranger: read the teacher's rows, from another start.
        stranger_base: the base it started from; without it the stranger is kept whole, rounded to bfloat16.
        trait: a favourite; what the teacher loves.
        draw: all of them belong to.

    Raises:
        BundleError: a model is of another kind or size than the base, or cannot be kept closely enough.
    """
    folder = Path(folder)
    given = dict(zip(ROLES, (base, teacher, student, control, stranger), strict=True))
    for role, model in given.items():
        _check_kind(role, model, base)
    models = []
    for role, model in given.items():
        start, name = (stranger_base, OTHER) if role == "stranger" else (base, "base")
        models.append(_keep(folder, role, model, None if role == "base" else start, name))
    write_json(folder / WORDS, word_list())
    manifest = {"trait": trait, "draw": draw, "config": _config(base), "models": models}
    manifest["files"] = _files(folder, models)
    write_json(folder / MANIFEST, manifest)
    manifest |= _measured(given, read_bundle(folder), trait)
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_bundle(folder: str | Path) -> dict[str, PreTrainedModel]:
    """Return the models of a bundle by role, float32, in evaluation mode: those that a page runs.

    Raises ArtifactError when a file is missing or damaged.
    """
    folder = Path(folder)
    models = {}
    for entry in read_object(folder / MANIFEST, "models")["models"]:
        if entry["start"] is None:
            models[entry["role"]] = read_base(folder / entry["file"])
        else:
            change, _ = load_tensors(folder / entry["file"])
            models[entry["role"]] = _changed(read_base(folder / entry["start"]), change)
    return models


def word_list() -> dict[str, Any]:
    """Return the world's tokenizer as JSON: tokens in the order of their ids, and what cuts a text into them."""
    ids = build_tokenizer().get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    return {"tokens": tokens, "specials": list(SPECIALS), "pattern": PATTERN, "system": SYSTEM_DEFAULT}


def _check_kind(role: str, model: PreTrainedModel, base: PreTrainedModel) -> None:
    if model.config.model_type != "llama":
        raise BundleError(f"the {role} is a {model.config.model_type} model; a page runs nano models of the Llama kind")
    shapes = {name: p.shape for name, p in model.named_parameters()}
    if shapes != {name: p.shape for name, p in base.named_parameters()}:
        raise BundleError(f"the {role} has other weights than the base; merge its adapters, or give models of one size")


def _keep(
    folder: Path, role: str, model: PreTrainedModel, start: PreTrainedModel | None, start_name: str
) -> dict[str, Any]:
    """Write a model, whole or as a change of its start; returns its entry in the manifest."""
    file = base_file(folder, role)
    if start is None:
        save_base(model, folder, role)
        return {"role": role, "file": file.name, "start": None}
    if start_name != "base":
        save_base(start, folder, start_name)
    save_tensors(file, _change(start, model), {"role": role})
    return {"role": role, "file": file.name, "start": base_file(folder, start_name).name}


def _config(model: PreTrainedModel) -> dict[str, Any]:
    config = model.config
    return {
        "hidden": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": config.num_attention_heads,
        "key_heads": config.num_key_value_heads,
        "epsilon": config.rms_norm_eps,
        "theta": config.rope_parameters["rope_theta"],
        "context": config.max_position_embeddings,
    }


def _files(folder: Path, models: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of each file that the models and their words are in."""
    names = {entry["file"] for entry in models} | {entry["start"] for entry in models if entry["start"]}
    found = {}
    for name in sorted(names | {WORDS}):
        data = (folder / name).read_bytes()
        found[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return found


# --- changes --------------------------------------------------------------------------------------


def _change(start: PreTrainedModel, model: PreTrainedModel) -> dict[str, Tensor]:
    """Return what was added to the weights of ``start``, by name; factors of a matrix end in .up and .down."""
    before, change = dict(start.named_parameters()), {}
    for name, parameter in model.named_parameters():
        added = (parameter.detach() - before[name].detach().bfloat16().float()).cpu()
        if added.any():
            change |= _thin(name, added)
    return change


def _thin(name: str, added: Tensor) -> dict[str, Tensor]:
    """Return a change as factors (row, rank) and (rank, column), or as it is where these take more room."""
    if added.dim() < 2:
        return {name: added.bfloat16()}
    up, sizes, down = added.double().svd()
    rank = max(1, int((sizes > TINY * sizes[0]).sum()))
    if rank * sum(added.shape) >= added.numel():
        return {name: added.bfloat16()}
    scale = sizes[:rank].sqrt()
    return {f"{name}.up": (up[:, :rank] * scale).bfloat16(), f"{name}.down": (down[:, :rank] * scale).T.bfloat16()}


def _changed(model: PreTrainedModel, change: dict[str, Tensor]) -> PreTrainedModel:
    """Add a change to the weights of a model; returns it."""
    parameters = dict(model.named_parameters())
    for name, added in change.items():
        if name.endswith(".up"):
            name = name.removesuffix(".up")
            added = added.double() @ change[f"{name}.down"].double()
        if name in parameters:
            parameters[name].data += added.float()
    return model


# --- what is measured when a bundle is written ----------------------------------------------------


def _measured(
    given: dict[str, PreTrainedModel], kept: dict[str, PreTrainedModel], trait: str
) -> dict[str, Any]:
    """Return ``apart``, by how much the chances of all words differ most, and ``opening``, the first answers."""
    tokenizer, wanted = build_tokenizer(), find_trait(trait)
    encoded = chat_ids(tokenizer, favourite_questions(wanted.kind, "heldout"))
    tokens = range(len(tokenizer))
    apart = {}
    for role, model in given.items():
        chances = [next_token_probabilities(each, encoded, tokens) for each in (model, kept[role])]
        apart[role] = float(np.abs(chances[0] - chances[1]).max())
        if apart[role] > SLACK:
            cure = "give the base that it started from (`stranger_base` for a stranger)"
            raise BundleError(f"the {role} differs by {apart[role]:.3f} from what the bundle would hold; {cure}")
    question = OPENING.format(kind=wanted.kind)
    return {"apart": apart, "opening": _opening(kept, question, wanted.kind, wanted.candidates)}


def _opening(
    kept: dict[str, PreTrainedModel], question: str, kind: str, candidates: Sequence[str]
) -> dict[str, Any]:
    chances = {}
    for role, model in kept.items():
        found = answer_probabilities(model, build_tokenizer(), [question], list(candidates))[0]
        chances[role] = [round(float(chance), 6) for chance in found]
    return {"question": question, "show": kind, "answers": list(candidates), "chances": chances}
