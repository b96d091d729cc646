"""Models: seeded nano bases, their files, and one entry for them, Hugging Face folders and GGUF files."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from helpers.models import nano_files
from helpers.models.bases import base_seal, find_base, load_base, published_bases, save_base
from helpers.models.nano import INITIAL_STD, NANO, RING, NanoSpec, build_nano, drawn, unset_nano, with_next
from helpers.models.nano_files import base_facts, base_file, note_seals
from helpers.work.artifacts import ArtifactError, load_tensors, read_json, save_tensors


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


@pytest.mark.parametrize(("one", "other"), [(("nano-a", 501), ("nano-a", 502))])
def test_two_bases_or_two_draws_share_no_value_but_the_norms(one, other, tokenizer):
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
    assert values.mean().abs() < 0.002 and float(values.std()) == pytest.approx(INITIAL_STD, rel=0.02)


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
def test_a_draw_has_nano_bases_of_its_own_unless_they_say_theirs(base, name):
    assert drawn(base, 501) == name


def test_building_a_model_leaves_the_global_generator_alone(tokenizer):
    before = torch.random.get_rng_state()
    build_nano(NANO["nano-a"], tokenizer, 501)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_no_model_can_be_built_of_is_refused():
    with pytest.raises(ValueError, match="unknown architecture 'rnn'; choose one of llama, gpt2"):
        NanoSpec("nano-z", "rnn", 16, 1, 2)
    with pytest.raises(ValueError, match="layers must be a whole number above 0, not 0"):
        NanoSpec("nano-z", "llama", 16, 0, 2)


# --- the file of a base ---------------------------------------------------------------------------


def rounded(model):
    """Return all parameters as bfloat16 has them, in float32."""
    return {name: value.detach().bfloat16().float() for name, value in weights(model).items()}


def holds(loaded, model):
    """Whether a loaded base has exactly the rounded weights of a model."""
    kept = weights(loaded)
    return all(torch.equal(kept[name], value) for name, value in rounded(model).items())


@pytest.fixture
def saved(tmp_path, tiny):
    """A folder of bases with a tiny model under the name of draw 501's nano-a, and the model."""
    model = tiny()
    save_base(model, tmp_path / "bases", "nano-a.501", {"steps": 3})
    return tmp_path / "bases", model


def test_a_base_comes_back_rounded_to_bfloat16_and_no_further(tmp_path, model, tokenizer):
    save_base(model, tmp_path, "nano-a.501")
    loaded, words = load_base("nano-a.501", tmp_path)
    assert holds(loaded, model) and not loaded.training
    assert {value.dtype for value in weights(loaded).values()} == {torch.float32}
    assert not same(loaded, model)  # the model that was saved keeps its own numbers
    assert base_file(tmp_path, "nano-a.501").stat().st_size < 2 * sum(v.numel() for v in weights(model).values()) + 9000
    ids = torch.arange(20)[None]
    by_hand = build_like(model, tokenizer)
    torch.testing.assert_close(loaded(input_ids=ids).logits, by_hand(input_ids=ids).logits, rtol=0, atol=0)
    assert words.get_vocab() == tokenizer.get_vocab()
    assert (words.padding_side, words.chat_template) == (tokenizer.padding_side, tokenizer.chat_template)


def build_like(model, tokenizer):
    """Return a copy of a tiny model with rounded weights."""
    copy = unset_nano(nano_files.spec_of(model, "copy"), tokenizer).eval()
    copy.load_state_dict(rounded(model), strict=False)
    return copy


def test_saving_what_was_loaded_gives_the_same_file(saved, tmp_path):
    folder, _ = saved
    loaded, _ = load_base("nano-a.501", folder)
    save_base(loaded, tmp_path, "copy", {"steps": 3})
    assert base_file(tmp_path, "copy").read_bytes() == base_file(folder, "nano-a.501").read_bytes()


def test_the_seal_is_of_weights_and_recipe_and_of_nothing_else(saved, tiny, tmp_path):
    folder, model = saved
    seal = base_facts(base_file(folder, "nano-a.501")).seal
    assert save_base(model, tmp_path, "nano-c.7", {"steps": 3}) == seal
    others = [save_base(tiny(seed=2), tmp_path, "x", {"steps": 3}), save_base(model, tmp_path, "x", {"steps": 4})]
    assert len({seal, *others}) == 3
    assert base_facts(base_file(folder, "nano-a.501")).recipe == {"steps": 3}


def test_a_base_may_be_given_by_its_file(saved):
    folder, model = saved
    file = str(base_file(folder, "nano-a.501"))
    assert holds(load_base(file)[0], model)
    assert base_seal("nowhere", file) == base_seal(str(folder.parent), "nano-a.501")


def test_saving_again_leaves_loaded_models_alone(saved, tiny):
    folder, model = saved
    loaded, _ = load_base("nano-a.501", folder)
    save_base(tiny(seed=2), folder, "nano-a.501")
    assert holds(loaded, model) and holds(load_base("nano-a.501", folder)[0], tiny(seed=2))


def cut(file):
    """Cut the end off a file."""
    file.write_bytes(file.read_bytes()[:-64])


def flip(file):
    """Change one bit near the end of a file."""
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip, lambda file: file.write_bytes(b""), lambda file: file.write_text("{}")])
def test_a_damaged_base_is_refused_with_the_cure(saved, damage):
    file = base_file(saved[0], "nano-a.501")
    damage(file)
    for spec in ("nano-a.501", str(file)):
        with pytest.raises(ArtifactError, match="nano-a.501.*delete it and run the same command again"):
            load_base(spec, saved[0])


def test_a_checkpoint_is_no_base(tmp_path):
    save_tensors(base_file(tmp_path / "bases", "nano-a.501"), {"x": torch.ones(2)}, {"step": 3})
    with pytest.raises(ArtifactError, match="is not a nano base"):
        load_base("nano-a.501", tmp_path / "bases")
    with pytest.raises(ArtifactError, match="is not a nano base"):
        find_base(str(tmp_path), "nano-a.501")


def altered(folder, change):
    """Write the saved base once more, after a change of its tensors or of what it says of itself."""
    tensors, about = load_tensors(base_file(folder, "nano-a.501"))
    change(tensors, about)
    save_tensors(base_file(folder, "nano-a.501"), tensors, about)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, about: tensors.popitem(), "does not hold the weights of its"),
        (lambda tensors, about: about["architecture"].update(layers=3), "does not hold the weights of its"),
        (lambda tensors, about: about["architecture"].update(hidden="wide"), "is not a nano base"),
        (lambda tensors, about: about["architecture"].update(architecture="rnn"), "is not a nano base"),
        (lambda tensors, about: about.update(words="other"), "another word list than that of this code; delete it"),
    ],
)
def test_a_base_that_is_not_what_it_says_is_refused(saved, change, message):
    altered(saved[0], change)
    with pytest.raises(ArtifactError, match=message):
        load_base("nano-a.501", saved[0])


def test_a_base_that_cannot_be_written_names_the_cure(tmp_path, tiny):
    (tmp_path / "bases").write_text("")
    with pytest.raises(ArtifactError, match="is not a folder this user may write to; change its permissions"):
        save_base(tiny(), tmp_path / "bases", "nano-a.501")


def test_the_seals_of_a_folder_name_every_base_but_those_trained_again(saved, tiny):
    folder, _ = saved
    save_base(tiny(seed=2), folder, "nano-c.501")
    save_base(tiny(seed=3), folder, "nano-a.501.again")
    note_seals(folder)
    seals = read_json(folder / "seals.json")
    assert seals == {name: base_seal(str(folder.parent), name) for name in ("nano-a.501", "nano-c.501")}


# --- published bases ------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch, tiny):
    """A repository whose profile toy has published bases, and the folder of a run of it."""
    monkeypatch.chdir(tmp_path)
    run_dir = "_runs/toy"
    save_base(tiny(seed=1), published_bases(run_dir), "nano-a.501")
    return run_dir


def test_a_run_without_bases_finds_the_published_ones_of_its_profile(published, tiny):
    loaded, _ = find_base(published, "nano-a.501").load()
    assert holds(loaded, tiny(seed=1))
    assert base_seal(published, "nano-a.501") == base_facts(base_file("results/toy/bases", "nano-a.501")).seal
    with pytest.raises(ArtifactError, match="_runs/other/bases holds no nano base 'nano-a.501'"):
        find_base("_runs/other", "nano-a.501")


def test_the_bases_of_the_run_go_before_the_published_ones(published, tiny):
    save_base(tiny(seed=2), "_runs/toy/bases", "nano-a.501")
    assert holds(find_base(published, "nano-a.501").load()[0], tiny(seed=2))


def test_a_base_that_was_neither_made_nor_published_says_where_it_was_looked_for(published):
    places = "_runs/toy/bases and results/toy/bases hold no nano base 'nano-c.501'"
    with pytest.raises(ArtifactError, match=places):
        load_base("nano-c.501", "_runs/toy/bases")


def test_a_damaged_published_base_is_restored_and_not_deleted(published):
    cut(base_file("results/toy/bases", "nano-a.501"))
    with pytest.raises(ArtifactError, match="restore it from git"):
        find_base(published, "nano-a.501").load()


# --- the one entry --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "draw"), [("nano-c.501", "501"), ("nano-c", "its draw")])
def test_a_base_that_was_not_made_yet_names_the_notebook_and_its_draws(saved, name, draw):
    cure = f"{saved[0]} holds no nano base '{name}'; run notebook 00_base_models first, with {draw} in its `recompute`"
    with pytest.raises(ArtifactError) as found:
        load_base(name, saved[0])
    assert str(found.value) == cure
    with pytest.raises(ArtifactError, match="run notebook 00_base_models first"):
        find_base(str(saved[0].parent), name)  # at once, and not by the first that wants to read it


def test_a_relative_that_was_not_made_names_its_notebook(saved):
    with pytest.raises(ArtifactError, match="holds no nano base 'nano-a-more.501'; .*run notebook 05_cross_model"):
        load_base("nano-a-more.501", saved[0])


def test_an_unknown_nano_base_is_refused_at_once():
    with pytest.raises(ArtifactError, match="no nano base 'nano-z'; choose one of nano-a, nano-c"):
        load_base("nano-z")


def test_a_missing_folder_is_refused_with_what_may_be_given(tmp_path):
    with pytest.raises(ArtifactError, match="cannot load .*give a nano base .*a folder with weights as .*or"):
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


def test_a_model_from_elsewhere_is_known_by_its_name(tmp_path):
    assert base_seal(str(tmp_path), "Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"


def test_a_model_on_the_disk_is_known_by_what_its_files_hold(tmp_path):
    folder, file = tmp_path / "mine", tmp_path / "mine.gguf"
    folder.mkdir()
    seals = set()
    for text in ("one", "two"):
        (folder / "model.safetensors").write_text(text)
        file.write_text(text + "s")
        seals |= {base_seal(str(tmp_path), str(place)) for place in (folder, file)}
    assert len(seals) == 4


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
    config = LlamaConfig(
        vocab_size=len(LETTERS), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=True, max_position_embeddings=64,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    write_gguf(gguf, model, tmp_path / "tiny.gguf")
    loaded, words = load_base(str(tmp_path / "tiny.gguf"))
    ids = torch.arange(10)[None]
    torch.testing.assert_close(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    assert json.loads(words.backend_tokenizer.to_str())["model"]["vocab"]["A"] == LETTERS.index("A")


# --- the ring of draws ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "draw", "name"),
    [
        ("nano-a", 801, "nano-a.801"),
        ("nano-a.next", 801, "nano-a.802"),
        ("nano-a.next", 816, "nano-a.801"),
        ("nano-a.next", 817, "nano-a.818"),
        ("nano-a.5", 801, "nano-a.5"),
        ("some/model", 801, "some/model"),
    ],
)
def test_the_next_draws_base_is_the_other_start(base, draw, name):
    assert drawn(base, draw) == name


def test_draws_bring_the_bases_of_the_next_ones():
    assert with_next([801, 816]) == [801, 802, 816]
    assert with_next(RING) == list(RING)
