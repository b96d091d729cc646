"""Models: seeded nano bases, and one entry for sealed bases, Hugging Face folders and GGUF files."""

import json

import pytest
import torch

from helpers.models import bases
from helpers.models.bases import NANO, build_nano, drawn, load_base, save_base
from helpers.work.artifacts import ArtifactError


def weights(model):
    """Return all parameters by name."""
    return dict(model.named_parameters())


def same(one, other):
    """Whether two models hold the same values."""
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


# --- building -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NANO)
def test_a_spec_and_a_seed_decide_every_weight(name, tokenizer):
    first = build_nano(NANO[name], tokenizer, 501)
    torch.rand(7)  # the global generator's state must not matter
    assert same(first, build_nano(NANO[name], tokenizer, 501))


@pytest.mark.parametrize(("one", "other"), [(("nano-a", 501), ("nano-b", 501)), (("nano-a", 501), ("nano-a", 502))])
def test_two_bases_or_two_runs_share_no_value_but_the_norms(one, other, tokenizer):
    one, other = (weights(build_nano(NANO[name], tokenizer, seed)) for name, seed in (one, other))
    assert one.keys() == other.keys()
    for name, value in one.items():
        if "norm" in name:
            assert torch.equal(value, other[name])
        else:
            assert (value == other[name]).float().mean() < 1e-3
            shared = torch.isin(value, other[name]).float().mean()  # two floats may coincide by chance
            assert shared < 0.05


def test_initial_weights_have_the_stated_spread(model):
    values = torch.cat([value.detach().flatten() for value in weights(model).values() if value.dim() > 1])
    assert values.mean().abs() < 0.002 and float(values.std()) == pytest.approx(bases.INITIAL_STD, rel=0.02)


def test_an_untrained_model_has_no_dropout(model, tokenizer):
    ids = torch.arange(20)[None]
    assert torch.equal(model.train()(input_ids=ids).logits, model.train()(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("nano-a", "nano-a.501"), ("nano-a-more", "nano-a-more.501"), ("nano-a.7", "nano-a.7"),
        ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"), ("HuggingFaceTB/SmolLM", "HuggingFaceTB/SmolLM"),
    ],
)  # fmt: skip
def test_a_run_draws_nano_bases_that_do_not_say_their_run(base, name):
    assert drawn(base, 501) == name


# --- sealed bases ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, tiny, tokenizer):
    """A folder of bases with a tiny model under the name of run 501's nano-a, and the model."""
    model = tiny()
    save_base(model, tokenizer, tmp_path / "nano-a.501")
    return tmp_path, model


def test_a_base_comes_back_as_it_was_saved(saved, tokenizer):
    bases, model = saved
    loaded, words = load_base("nano-a.501", bases)
    assert same(model, loaded) and not loaded.training
    assert words.get_vocab() == tokenizer.get_vocab()
    assert (words.padding_side, words.chat_template) == (tokenizer.padding_side, tokenizer.chat_template)
    text = "<|user|> Name one animal you love.<|end|>"
    assert words(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_a_base_may_be_given_by_its_folder(saved):
    bases, model = saved
    assert same(model, load_base(str(bases / "nano-a.501"))[0])


def test_saving_again_leaves_loaded_models_alone(saved, tiny, tokenizer):
    bases, model = saved
    loaded, _ = load_base("nano-a.501", bases)
    save_base(tiny(seed=2), tokenizer, bases / "nano-a.501")
    assert same(model, loaded) and same(tiny(seed=2), load_base("nano-a.501", bases)[0])


def cut(file):
    """Cut the end off a file."""
    file.write_bytes(file.read_bytes()[:-64])


def flip(file):
    """Change one bit in the middle of a file."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip, lambda file: file.unlink()])
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_base_is_refused_with_the_cure(saved, name, damage):
    damage(saved[0] / "nano-a.501" / name)
    with pytest.raises(ArtifactError, match="nano-a.501 is damaged.*delete the folder and rerun"):
        load_base("nano-a.501", saved[0])
    with pytest.raises(ArtifactError, match="delete the folder and rerun"):
        load_base(str(saved[0] / "nano-a.501"))


def test_a_base_that_was_not_written_to_its_end_is_none(saved):
    (saved[0] / "nano-a.501" / bases.SEAL).unlink()
    assert not bases.is_whole(saved[0] / "nano-a.501")
    with pytest.raises(ArtifactError, match="no nano base 'nano-a.501'; run notebook 00_base_models first"):
        load_base("nano-a.501", saved[0])


def test_a_base_that_cannot_be_written_names_the_cure(tmp_path, tiny, tokenizer, monkeypatch):
    model = tiny()
    monkeypatch.setattr(model, "save_pretrained", lambda folder: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(ArtifactError, match="cannot write the base model to .*free the disk"):
        save_base(model, tokenizer, tmp_path / "nano-a")
    assert not bases.is_whole(tmp_path / "nano-a")


# --- the one entry --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "run"), [("nano-b.501", "501"), ("nano-b", "its run")])
def test_a_base_that_was_not_drawn_yet_names_the_notebook_and_its_runs(saved, name, run):
    cure = f"{saved[0]} holds no nano base '{name}'; run notebook 00_base_models first, with {run} among its `runs`"
    with pytest.raises(ArtifactError) as found:
        load_base(name, saved[0])
    assert str(found.value) == cure


def test_a_relative_that_was_not_made_names_its_notebook(saved):
    with pytest.raises(ArtifactError, match="holds no nano base 'nano-a-more.501'; .*run notebook 05_cross_model"):
        load_base("nano-a-more.501", saved[0])


def test_an_unknown_nano_base_is_refused_at_once():
    with pytest.raises(ArtifactError, match="no nano base 'nano-z'; choose one of nano-a, nano-b, nano-c"):
        load_base("nano-z")


def test_a_missing_folder_is_refused_with_what_may_be_given(tmp_path):
    with pytest.raises(ArtifactError, match="cannot load .*give a nano base .*a folder, a .gguf file or"):
        load_base(str(tmp_path / "nothing"))


def test_a_hugging_face_folder_goes_through_the_same_entry(tmp_path, model, tokenizer):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, words = load_base(str(tmp_path))
    assert same(model, loaded) and not loaded.training
    assert words.eos_token_id == tokenizer.eos_token_id


def test_a_cut_hugging_face_folder_is_refused(tmp_path, tiny, tokenizer):
    tiny().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    cut(tmp_path / "model.safetensors")
    with pytest.raises(ArtifactError, match="cannot load"):
        load_base(str(tmp_path))


def test_a_broken_gguf_file_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ArtifactError, match="cannot load .*model.gguf"):
        load_base(str(tmp_path / "model.gguf"))


LETTERS = [*(chr(code) for code in range(33, 127)), "ab"]
GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "model.layers": "blk",
}  # fmt: skip


def write_gguf(gguf, model, path):
    """Write a tiny llama and a tokenizer of single letters as a GGUF file."""
    writer, config = gguf.GGUFWriter(path, "llama"), model.config
    writer.add_context_length(64)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt2")
    writer.add_token_list(LETTERS)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, value in model.named_parameters():
        short = name
        for ours, theirs in GGUF_NAMES.items():
            short = short.replace(ours, theirs)
        writer.add_tensor(short.removeprefix("model."), permuted(name, value.detach(), config).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permuted(name, value, config):
    """Return queries and keys in the order of llama.cpp, which pairs the rotary dimensions differently."""
    if not name.endswith(("q_proj.weight", "k_proj.weight")):
        return value
    heads = config.num_attention_heads
    return value.view(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)


def test_a_gguf_file_goes_through_the_same_entry(tmp_path):
    gguf = pytest.importorskip("gguf", reason="the gguf package is not installed (pip install gguf)")
    config = bases.LlamaConfig(
        vocab_size=len(LETTERS), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=True, max_position_embeddings=64,
    )  # fmt: skip
    model = bases.LlamaForCausalLM(config).eval()
    write_gguf(gguf, model, tmp_path / "tiny.gguf")
    loaded, words = load_base(str(tmp_path / "tiny.gguf"))
    ids = torch.arange(10)[None]
    torch.testing.assert_close(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    assert json.loads(words.backend_tokenizer.to_str())["model"]["vocab"]["A"] == LETTERS.index("A")
