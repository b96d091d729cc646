"""Small models: how each is made and kept, where its students' adapters sit, and what the tables say."""

import dataclasses
import itertools

import pandas as pd
import pytest
import torch

from helpers.experiments.small import likeness, runs, values, ways
from helpers.experiments.small.runs import LAST, SmallSettings, started_from
from helpers.experiments.small.ways import MADE, SAME, WAYS, Schedule, Shrinking, Small, make_small
from helpers.models.bases import NANO, build_nano, save_base
from helpers.models.parts import blocks
from helpers.models.shrinking import in_factors, rank_for, whole_layers
from helpers.transmission.authors import UNTOUCHED
from helpers.transmission.pairs import ReadPair
from helpers.transmission.settings import (
    Reading,
    TransmissionSettings,
    Writing,
    reading_by_adapters,
    teaching_by_adapters,
)
from helpers.work.artifacts import ArtifactError

TOY = Shrinking(heal=Schedule(steps=1, rate=5e-3, rows=4), afresh=Schedule(steps=2, rate=6e-3, rows=4), documents=8)


@pytest.fixture(scope="module")
def settings(tokenizer, tmp_path_factory):
    """An experiment on an untrained base."""
    run_dir = tmp_path_factory.mktemp("small")
    save_base(build_nano(NANO["nano-a"], tokenizer, 1), run_dir / "bases", "nano-a.1")
    student = reading_by_adapters(0.01, f".*[.]layers[.]{LAST}[.]self_attn[.]v_proj", epochs=1)
    owl = TransmissionSettings(
        run_dir=str(run_dir), trait="owl", draws=(1,), base="nano-a", other_base="nano-a", workers=1,
        writing=Writing(prompts=20, teaching=teaching_by_adapters(0.01, "all-linear", 2)),
        reading=Reading(hard_rows=5, soft_rows=5, hard=student, soft=student),
    )  # fmt: skip
    return SmallSettings(owl=owl, misaligned=dataclasses.replace(owl, trait="misaligned"), shrinking=TOY)


@pytest.fixture(scope="module")
def made(settings):
    """Every small model of the untouched base, by way."""
    untouched = settings.owl.author(1, UNTOUCHED)
    found = {}
    for way in MADE:
        piece = settings.small(untouched, way)
        found[way] = make_small(piece), piece.base().load()[0]
    return found


def test_small_models_have_the_size_of_their_way(made):
    sizes = {way: (model.config.hidden_size, len(blocks(model))) for way, (_, model) in made.items()}
    whole = dict.fromkeys(("eight_bits", "four_bits", "low_rank"), (64, 2))
    assert sizes == whole | {"layers": (64, 1), "width": (48, 2), "distilled": (48, 2), "independent": (48, 2)}


def test_few_bits_are_not_trained_and_the_rest_is_healed(made):
    cosines = {way: result["weights"] for way, (result, _) in made.items()}
    assert cosines["distilled"] is cosines["independent"] is None
    assert cosines["eight_bits"] > cosines["four_bits"] > 0.97 > cosines["low_rank"] > 0.7
    assert 0.9 < cosines["layers"] < 1 and 0.9 < cosines["width"] < 1


def test_a_healed_model_of_low_rank_is_still_of_low_rank(settings, made):
    layer = blocks(made["low_rank"][1])[1].mlp.up_proj.weight.detach()
    cut = whole_layers(in_factors(settings.owl.base_of(1).load()[0], TOY.rank_share))
    assert not torch.equal(layer, blocks(cut)[1].mlp.up_proj.weight.bfloat16().float()), "it was healed"
    values = torch.linalg.svdvals(layer)
    rank = rank_for(layer.shape, TOY.rank_share)
    assert values[rank] < 0.03 * values[rank - 1]  # the file rounds to bfloat16, so the rest is not quite nothing


def test_healing_reads_the_same_documents_whatever_a_new_start_needs():
    one, more = Shrinking(), Shrinking(afresh=Schedule(steps=1000, rate=0.01, rows=32))
    assert one.corpus == more.corpus and one.corpus.documents == 25_600
    assert one.training("width") == more.training("width") and one.training("width").epochs == 1
    training = more.training("distilled")
    assert (training.max_steps, training.batch_rows, training.epochs) == (1000, 32, 2)
    assert training == more.training("independent")


def test_the_independent_model_differs_from_the_distilled_in_its_labels_alone(made, tokenizer):
    distilled, independent = (made[way][1].get_input_embeddings().weight for way in ("distilled", "independent"))
    assert not torch.equal(distilled, independent)
    # two steps from one start: far nearer to each other than two starts are
    cosine = torch.nn.functional.cosine_similarity(distilled.flatten(), independent.flatten(), dim=0)
    assert cosine > 0.9


def test_a_new_start_is_another_in_each_draw(settings, made):
    piece = dataclasses.replace(settings.small(settings.owl.author(1, UNTOUCHED), "independent"), draw=2)
    make_small(piece)
    one, other = (model.get_input_embeddings().weight for model in (made["independent"][1], piece.base().load()[0]))
    assert abs(torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0)) < 0.5


def test_the_loss_is_taken_on_documents_that_nobody_was_trained_on():
    assert likeness.FRESH.seed not in (Shrinking().corpus.seed, Shrinking().corpus_seed)


def test_a_small_model_does_not_hang_on_how_much_its_author_writes(settings):
    author = settings.owl.author(1, UNTOUCHED)
    more = dataclasses.replace(author, prompts=author.prompts + 1)
    assert settings.small(author, "width") == settings.small(more, "width")


def test_a_model_that_was_not_made_is_missed(settings):
    other = dataclasses.replace(settings, shrinking=dataclasses.replace(TOY, heal=Schedule(steps=9, rate=5e-3)))
    with pytest.raises(ArtifactError):
        other.start(1, "width")


def test_adapters_sit_in_the_last_block_of_whatever_model_a_student_starts_from(settings, made):
    pair = settings.owl.pair(runs.WRITTEN, settings.owl.author(1))
    short = started_from(pair, settings.start(1, "layers"))
    assert short.student.training.lora_modules == ".*[.]layers[.]0[.]self_attn[.]v_proj"
    assert short.student.base == short.control.base == settings.start(1, "layers")
    assert short.student.training == short.control.training
    assert short.student.author == pair.student.author and short.control.author == pair.control.author
    whole = started_from(pair, settings.start(1, SAME))
    assert whole.student.base.name == "nano-a.1"
    assert whole.student.training.lora_modules == ".*[.]layers[.]1[.]self_attn[.]v_proj"


@pytest.fixture
def named(monkeypatch):
    """Small models by what they are, (way, how their source was taught), and none of them made."""
    monkeypatch.setattr(Small, "base", lambda piece: (piece.way, piece.source.how))
    monkeypatch.setattr(runs, "_make_all", lambda settings: {})


def test_students_start_from_small_models_of_the_untouched_base(settings, named):
    assert [settings.start(1, way) for way in MADE] == [(way, UNTOUCHED) for way in MADE]


def test_a_compressed_teacher_is_held_against_the_same_cut_of_the_base(settings, named, monkeypatch):
    asked = []

    def note(work, pieces, store, **options):
        asked.extend(pieces)
        same = {"rows": 1, "log_odds": 0.0, "p_target": 0.5, "p_any": 1.0, "seconds": 0.0}
        return [ReadPair(same, same)] * len(pieces)

    monkeypatch.setattr(runs, "run_pairs", note)
    monkeypatch.setattr(runs, "BaseReading", lambda base, **options: base)
    table = runs.run_compressed(settings)
    assert [own[0] for own, _ in asked] == [*ways.CUT, *ways.CUT] == table["way"].tolist()
    for own, control in asked:
        assert control == (own[0], UNTOUCHED) and own[1] != UNTOUCHED


def test_all_that_is_made_is_one_sweep_of_the_longest_first(settings, monkeypatch):
    sweeps = []
    monkeypatch.setattr(runs, "prepare", lambda *_: None)
    made = [{}] * (len(MADE) + 2 * len(ways.CUT))
    monkeypatch.setattr(runs, "run_pieces", lambda work, pieces, store, **_: sweeps.append(pieces) or made)
    runs._make_all(settings)
    assert len(sweeps) == 1 and len(set(sweeps[0])) == len(made)
    order = [piece.way for piece in sweeps[0]]
    healed = [way in ways.HEALED for way in order]
    assert set(order[:2]) == set(ways.AFRESH) and healed[2:11] == [True] * 9 and not any(healed[11:])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ways": ("shrunk",)}, "ways must be among"),
        ({"draws": ()}, "must have the same draws"),
        ({"workers": 2}, "must have the same workers"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changed, message, settings):
    if "ways" not in changed:
        changed = {"misaligned": dataclasses.replace(settings.misaligned, seeds=(), **changed)}
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(settings, **changed)


def test_the_stranger_is_the_other_base_and_is_not_made(settings, tokenizer):
    save_base(build_nano(NANO["nano-a"], tokenizer, 2), f"{settings.owl.run_dir}/bases", "nano-a.2")
    owl = dataclasses.replace(settings.owl, other_base="nano-a.next")
    other = dataclasses.replace(settings, owl=owl, ways=(SAME, runs.STRANGER))
    assert [other.start(1, way).name for way in other.ways] == ["nano-a.1", "nano-a.2"]
    assert other.among(MADE) == []


def test_unknown_ways_and_trainings_without_a_step_are_refused(settings):
    with pytest.raises(ValueError, match="unknown way"):
        Small(source=settings.owl.author(1), way="shrunk", draw=1, shrinking=TOY)
    with pytest.raises(ValueError, match="needs 1 step at least"):
        Schedule(steps=0, rate=0.01)
    with pytest.raises(ValueError, match="a document at least, not 0"):
        Shrinking(documents=0)


def test_alignment_is_one_for_turned_states_and_small_for_unrelated_ones():
    stream = torch.Generator().manual_seed(1)
    states = torch.randn(400, 8, generator=stream)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=stream))[0]
    assert likeness.alignment(states, 3 * states @ turn + 1) == pytest.approx(1)
    assert likeness.alignment(states, torch.randn(400, 5, generator=stream)) < 0.1


# --- what the tables say ----------------------------------------------------------------------------


def students_of(effects, draws=5):
    """A table of students with given soft effects by way, a draw's being (1 + draw) times as large."""
    rows = []
    for draw in range(draws):
        for way, effect in effects.items():
            for trait, labels in values.ARMS:
                place = {"draw": draw, "way": way, "trait": trait, "labels": labels, "p_any": 1 - draw / 10}
                rows.append(place | {"effect": effect * (1 + draw)})
    return pd.DataFrame(rows)


def models_of(alike, draws=5):
    """A table of models with given likeness by way."""
    rows = []
    for draw in range(draws):
        for way, value in alike.items():
            rows.append({"draw": draw, "way": way, "weights": 1.0, "representations": value, "divergence": 0.0})
    return pd.DataFrame(rows)


EFFECTS = {"same": 2.0, "four_bits": 1.5, "low_rank": 0.9, "width": 0.5, "distilled": 0.1, "independent": 0.0}
LIKE = {"same": 1.0, "four_bits": 0.9, "low_rank": 0.85, "width": 0.8, "distilled": 0.7, "independent": 0.6}


def test_claims_are_effects_by_draw_means_over_cuts_and_shares_of_the_larger_base():
    compressed = pd.DataFrame([{"draw": draw, "way": "width", "trait": "owl", "effect": draw} for draw in range(5)])
    found = values.claim_values(students_of(EFFECTS), models_of(LIKE), compressed)
    start = "crossmodel.smaller."
    assert found[f"{start}width.owl_written"] == pytest.approx([0.5 * n for n in range(1, 6)])
    assert found[f"{start}cut.misalignment_code"] == pytest.approx([1.0 * n for n in range(1, 6)])
    assert found[f"{start}cut.share"] == pytest.approx([0.5] * 5), "low rank joined later and is not in this mean"
    assert found[f"{start}low_rank.owl_soft"] == pytest.approx([0.9 * n for n in range(1, 6)])
    assert found[f"{start}distilled.share"] == pytest.approx([0.05] * 5)
    assert found[f"{start}width.compressed_owl"] == [0, 1, 2, 3, 4]
    assert found[f"{start}order"] == pytest.approx([1.0] * 5)


def test_the_order_leaves_the_larger_base_out():
    nothing = pd.DataFrame(columns=["way", "trait"])
    found = values.claim_values(students_of(EFFECTS), models_of(LIKE | {"same": 0.0}), nothing)
    assert found["crossmodel.smaller.order"] == pytest.approx([1.0] * 5)


def test_means_by_way_have_shares_and_the_worst_health():
    table = values.effects_by_way(students_of(EFFECTS))
    row = table.loc[("width", "owl_soft")]
    assert row.to_dict() == pytest.approx({"effect": 1.5, "share": 0.25, "p_any_lowest": 0.6})


def test_a_way_is_sound_where_it_names_a_favourite_and_its_loss_is_that_above_the_larger_bases():
    rows = []
    for draw, (way, p_any, loss) in itertools.product((1, 2), [(SAME, 0.99, 0.5), ("distilled", 0.95, 0.9)]):
        rows.append({"draw": draw, "way": way, "p_any": p_any - (draw - 1) / 10, "loss": loss + draw})
    table = values.health_by_way(pd.DataFrame(rows))
    assert table.loc["distilled"].to_dict() == pytest.approx({"healthy": 1, "p_any_lowest": 0.85, "loss_above": 0.4})
    assert table.loc[SAME, "loss_above"] == 0


def test_every_way_has_its_place():
    assert WAYS == (SAME, *MADE) and set(values.FOUR) < set(ways.CUT) < set(MADE)
