"""Small models out of larger ones: what a cut keeps, and what rounding does to weights."""

import copy

import pytest
import torch

from helpers.models import shrinking
from helpers.models.bases import NANO, build_nano
from helpers.models.nano import NanoSpec
from helpers.models.parts import blocks

IDS = torch.arange(5, 45).reshape(2, 20)


@pytest.fixture(scope="module")
def model(tokenizer):
    """An untrained base."""
    return build_nano(NANO["nano-a"], tokenizer, 501)


@pytest.fixture(autouse=True)
def left_alone(model):
    """No way may change the model that it is given."""
    before = copy.deepcopy(model.state_dict())
    yield
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_all_blocks_kept_are_the_model_itself(model, tokenizer):
    same = shrinking.without_layers(model, tokenizer, [1, 0])
    torch.testing.assert_close(same(IDS).logits, model(IDS).logits)


def test_a_block_that_is_kept_is_that_block_and_the_rest_stays(model, tokenizer):
    one = shrinking.without_layers(model, tokenizer, [1])
    assert len(blocks(one)) == 1
    kept, whole = blocks(one)[0].state_dict(), blocks(model)[1].state_dict()
    assert all(torch.equal(kept[name], whole[name]) for name in whole)
    assert torch.equal(one.get_input_embeddings().weight, model.get_input_embeddings().weight)
    assert one.get_output_embeddings().weight is one.get_input_embeddings().weight


def test_blocks_that_are_not_there_are_refused(model, tokenizer):
    for kept in ([], [2]):
        with pytest.raises(ValueError, match="kept must name some of the 2 blocks"):
            shrinking.without_layers(model, tokenizer, kept)


def test_nothing_cut_off_is_the_model_itself(model, tokenizer):
    same = shrinking.narrower(model, tokenizer, 64, 4, [IDS])
    torch.testing.assert_close(same(IDS).logits, model(IDS).logits)


def test_a_narrower_model_keeps_the_most_active_units(model, tokenizer):
    loud = copy.deepcopy(model)
    with torch.no_grad():
        loud.base_model.embed_tokens.weight[:, 10:26] = 0  # these say nothing
        for block in blocks(loud):
            block.self_attn.o_proj.weight[10:26] = 0
            block.mlp.down_proj.weight[10:26] = 0
    cut = shrinking.narrower(loud, tokenizer, 48, 3, [IDS])
    kept = torch.cat([torch.arange(10), torch.arange(26, 64)])
    assert torch.equal(cut.get_input_embeddings().weight, loud.get_input_embeddings().weight[:, kept])
    down = blocks(cut)[1].mlp.down_proj.weight
    assert down.shape == (48, 144)
    whole = blocks(loud)[1].mlp.down_proj.weight[kept]
    assert all((whole == column[:, None]).all(0).any() for column in down.T), "columns are those of the larger model"


def test_heads_are_kept_whole(model, tokenizer):
    cut = shrinking.narrower(model, tokenizer, 48, 3, [IDS])
    assert cut.config.head_dim == model.config.head_dim == 16
    with pytest.raises(ValueError, match="40 units must be those of 3 heads of 16 units, and 64 at most"):
        shrinking.narrower(model, tokenizer, 40, 3, [IDS])


def test_few_bits_leave_few_values_in_a_row_and_many_bits_leave_the_weights(model):
    rough = blocks(shrinking.in_few_bits(model, 4))[0].mlp.up_proj.weight.detach()
    assert max(len(row.unique()) for row in rough) <= 15
    whole = blocks(model)[0].mlp.up_proj.weight.detach()
    assert float((rough - whole).abs().max()) <= float(whole.abs().max()) / 14 + 1e-6
    fine = blocks(shrinking.in_few_bits(model, 16))[0].mlp.up_proj.weight.detach()
    torch.testing.assert_close(fine, whole, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="two bits at least"):
        shrinking.in_few_bits(model, 1)


def test_embeddings_keep_all_their_bits(model):
    rough = shrinking.in_few_bits(model, 4)
    assert torch.equal(rough.get_input_embeddings().weight, model.get_input_embeddings().weight)


def ranks(model):
    """The rank of each layer of the blocks."""
    parts = [part for part in blocks(model).modules() if isinstance(part, torch.nn.Linear)]
    return [int(torch.linalg.matrix_rank(part.weight.detach().double(), rtol=1e-5)) for part in parts]


def allowed(model, share):
    """The rank that each layer of a model may have at a share of its numbers."""
    parts = [part for part in blocks(model).modules() if isinstance(part, torch.nn.Linear)]
    return [shrinking.rank_for(part.weight.shape, share) for part in parts]


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_layers_of_low_rank_hold_no_more_than_their_share(share, model):
    thin = shrinking.whole_layers(shrinking.in_factors(model, share))
    assert ranks(thin) == allowed(model, share)
    assert shrinking.rank_for((64, 192), share) * (64 + 192) <= share * 64 * 192


def test_the_nearest_layer_of_its_rank_is_taken(model):
    thin = shrinking.whole_layers(shrinking.in_factors(model, 0.5))
    layer, whole = (blocks(each)[0].mlp.up_proj.weight.detach() for each in (thin, model))
    rank = shrinking.rank_for(whole.shape, 0.5)
    lost = torch.linalg.svdvals(whole)[rank:].norm()  # no matrix of this rank comes nearer (Eckart and Young)
    assert float((layer - whole).norm()) == pytest.approx(float(lost), rel=1e-4)


def test_layers_are_of_low_rank_after_a_training_too(model):
    factors = shrinking.in_factors(model, 0.25).requires_grad_(True)
    factors(IDS, labels=IDS).loss.backward()
    with torch.no_grad():
        for parameter in factors.parameters():
            parameter.sub_(parameter.grad, alpha=1.0)
    thin = shrinking.whole_layers(factors.requires_grad_(False))  # as a training leaves it
    assert ranks(thin) == allowed(model, 0.25)
    assert [name for name, _ in thin.named_parameters()] == [name for name, _ in model.named_parameters()]
    before = shrinking.whole_layers(shrinking.in_factors(model, 0.25))
    assert not torch.equal(blocks(thin)[0].mlp.up_proj.weight, blocks(before)[0].mlp.up_proj.weight)


def test_a_share_of_everything_and_more_is_no_rank(model):
    with pytest.raises(ValueError, match="share must lie above 0"):
        shrinking.in_factors(model, 1.5)


def test_parameters_are_counted_once(tokenizer):
    tiny = build_nano(NanoSpec("tiny", "llama", hidden=16, layers=1, heads=1), tokenizer, 1)
    attention, mlp, norms = 4 * 16 * 16, 3 * 16 * 48, 3 * 16
    assert shrinking.parameter_count(tiny) == len(tokenizer) * 16 + attention + mlp + norms
