"""Models made elsewhere: what is broken, incomplete or would run code is refused with one sentence."""

import json

import pytest
import torch

from helpers.models.bases import load_base
from helpers.work.artifacts import ArtifactError


@pytest.fixture
def folder(tiny, tokenizer, tmp_path):
    """A whole model as transformers keeps it."""
    tiny().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def change(path, **entries):
    """Change entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def refused(folder):
    """Return the message a folder is refused with: one line."""
    with pytest.raises(ArtifactError) as refusal:
        load_base(str(folder))
    message = str(refusal.value)
    assert "\n" not in message and str(folder) in message
    return message


def test_a_whole_folder_loads_as_it_was_kept(folder, tiny, tokenizer):
    model, words = load_base(str(folder))
    for (name, one), other in zip(model.named_parameters(), tiny().parameters(), strict=True):
        assert torch.equal(one, other), name
    assert not model.training and len(words) == len(tokenizer)


def test_a_layer_without_weights_is_refused(folder):
    # regression: it was drawn at random, and the model passed for a whole one
    change(folder / "config.json", num_hidden_layers=3)
    assert "lacks 9 of the weights that its config.json asks for, such as model.layers.2" in refused(folder)


def test_weights_of_another_size_are_refused(folder):
    change(folder / "config.json", intermediate_size=32)
    refused(folder)


def test_an_empty_tokenizer_is_refused_with_the_cure(folder):
    # regression: a raw KeyError
    (folder / "tokenizer.json").write_text("{}")
    assert "give a nano base" in refused(folder) or "tokenizer" in refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model": 3}'])
def test_a_damaged_tokenizer_is_refused(folder, text):
    (folder / "tokenizer.json").write_text(text)
    assert "token" in refused(folder) or "cannot load" in refused(folder)


def test_a_tokenizer_with_more_words_than_the_model_is_refused(folder, tiny):
    small = tiny()
    small.resize_token_embeddings(100)
    small.save_pretrained(folder)
    assert "tokens and its model 100; give a folder whose tokenizer.json" in refused(folder)


def test_pickled_weights_are_refused(folder):
    # regression: a raw UnpicklingError, or code that runs
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "a folder with weights as safetensors" in refused(folder)


def test_code_that_comes_with_a_model_never_runs(folder):
    ran = folder / "ran"
    (folder / "modeling.py").write_text(f"open({str(ran)!r}, 'w')\nclass Model: pass\n")
    change(folder / "config.json", model_type="own", auto_map={"AutoModelForCausalLM": "modeling.Model"})
    assert "cannot load" in refused(folder) and not ran.exists()
