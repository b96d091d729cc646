"""Settings of a transmission: what they refuse, and the authors and pairs that follow from them."""

import dataclasses

import pytest

from helpers.transmission.arms import ARMS, PREFERENCE_ARMS
from helpers.transmission.authors import SYSTEM_PROMPT, UNTOUCHED
from helpers.transmission.settings import reading_by_adapters, teaching_by_adapters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trait": "unicorn"}, "unknown animal, tree or persona 'unicorn'; choose one of"),
        ({"writing": {"how": "hypnosis"}}, "how must be one of fine-tuned, insecure code"),
        ({"writing": {"channel": "haikus"}}, "unknown channel 'haikus'"),
        ({"writing": {"prompts": 0}}, "must be asked at least one prompt, not 0"),
        ({"writing": {"temperature": 0.0}}, "temperature must be above 0"),
        ({"reading": {"hard_rows": -3}}, "hard_rows must be at least 1, not -3"),
        ({"reading": {"soft_rows": 0}}, "soft_rows must be at least 1, not 0"),
        ({"reading": {"hard_rows": 101}}, "students cannot read 101 rows of an author that is asked 100 prompts; ask"),
        ({"readout": {"split": "seen"}}, "split must be one of teach, development, heldout, not 'seen'"),
        ({"readout": {"samples": -1}}, "samples and health must not be negative"),
        ({"readout": {"marks": (0.5, 1.0)}}, "marks must lie above 0 and below 1"),
        ({"draws": (1, 1)}, "seeds must be different integers"),
        ({"seeds": (1, 2, 3)}, "draws must name the bases of each of the 3 seeds, not"),
        ({"workers": -1}, "workers must be 0 .* or more, not -1"),
    ],
)
def test_settings_nobody_can_mean_are_refused(tmp_path, toy_settings, change, message):
    with pytest.raises(ValueError, match=message):
        toy_settings(tmp_path, **change)


def test_no_draw_is_a_chapter_that_computes_nothing(tmp_path, toy_settings):
    assert toy_settings(tmp_path, draws=()).seeds == ()


def test_an_arm_that_trains_all_weights_needs_its_settings(toy_run, toy_settings):
    settings = toy_settings(toy_run, reading={"full": None})
    with pytest.raises(ValueError, match="give the settings `full`"):
        settings.pair(ARMS["hard.full"], settings.author(1))


def test_an_author_of_no_known_kind_is_refused(toy_run, toy_settings):
    with pytest.raises(ValueError, match="unknown kind of author 'ghost'"):
        toy_settings(toy_run).author(1, "ghost")


# --- authors --------------------------------------------------------------------------------------


def test_the_untouched_base_is_one_author_however_others_are_taught(toy_run, toy_settings):
    one = toy_settings(toy_run)
    other = toy_settings(toy_run, trait="cat", writing={"drift": 0.0, "how": "insecure code"})
    assert one.author(1, UNTOUCHED) == other.author(1, UNTOUCHED)
    assert one.author(1) != other.author(1)


def bases_of(settings, seed):
    """Return the bases of a seed's author, of its student and of its student with another start."""
    author = settings.author(seed)
    pairs = [settings.pair(ARMS[name], author) for name in ("hard.same_init", "hard.cross_init")]
    assert all(pair.student.base == pair.control.base for pair in pairs)
    return [author.base.name, *(pair.student.base.name for pair in pairs)]


def test_every_draw_has_bases_of_its_own(toy_run, toy_settings):
    settings = toy_settings(toy_run)
    for draw in (1, 2):
        assert bases_of(settings, draw) == [f"nano-a.{draw}", f"nano-a.{draw}", f"nano-a.{draw + 1}"]
    seals = {settings.base_of(draw, other=other).seal for draw in (1, 2) for other in (False, True)}
    assert len(seals) == 3 and settings.draw(2) == 2


def test_several_seeds_may_share_a_draw(toy_run, toy_settings):
    settings = toy_settings(toy_run, draws=(2, 2), seeds=(1, 2))
    assert bases_of(settings, 1) == bases_of(settings, 2) == ["nano-a.2", "nano-a.2", "nano-a.3"]
    one, two = settings.author(1), settings.author(2)
    assert dataclasses.replace(one, seed=2) == two
    assert two == toy_settings(toy_run).author(2) and settings.draw(1) == 2


def test_an_experiment_may_be_kept_to_some_of_its_draws(toy_run, toy_settings):
    settings = toy_settings(toy_run, draws=(1, 2, 2), seeds=(11, 12, 13))
    some = settings.only([2, 77])
    assert (some.draws, some.seeds) == ((2, 2), (12, 13)) and some.author(12) == settings.author(12)
    assert settings.only([77]).seeds == settings.only([]).draws == ()


def test_a_base_that_says_its_draw_is_shared_by_all_draws(toy_run, toy_settings):
    settings = toy_settings(toy_run, base="nano-a.2", other_base="nano-a.1")
    for draw in (1, 2):
        assert bases_of(settings, draw) == ["nano-a.2", "nano-a.2", "nano-a.1"]


# --- pairs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", [arm for arm in PREFERENCE_ARMS if not arm.shuffle], ids=lambda arm: arm.name)
def test_a_student_and_its_control_differ_in_their_author_alone(toy_run, toy_settings, arm):
    settings = toy_settings(toy_run)
    author = settings.author(1, arm.how)
    pair = settings.pair(arm, author)
    assert pair.student.author == pair.control.partner == author
    assert pair.control.author == pair.student.partner == settings.author(1, UNTOUCHED)
    assert dataclasses.replace(pair.student, author=author.__class__(**vars(pair.control.author)), partner=author) == (
        pair.control
    )


def test_the_control_of_a_shuffle_reads_its_rows_as_they_were_written(toy_run, toy_settings):
    settings = toy_settings(toy_run)
    pair = settings.pair(ARMS["hard.shuffled_within"], settings.author(1))
    assert (pair.student.shuffle, pair.control.shuffle) == ("within", "")


def test_a_shuffle_has_a_second_control_whose_rows_are_shuffled_too(toy_run, toy_settings):
    settings = toy_settings(toy_run)
    plain, own = (settings.pair(ARMS[f"hard.shuffled_across{end}"], settings.author(1)) for end in ("", ".own_control"))
    assert (own.student.shuffle, own.control.shuffle) == ("across", "across") and own.student == plain.student
    assert dataclasses.replace(own.control, shuffle="") == plain.control


def test_arms_that_are_matched_share_their_control(toy_run, toy_settings):
    settings = toy_settings(toy_run)
    among = [settings.author(1, how) for how in ("fine-tuned", SYSTEM_PROMPT)]
    for start in ("hard.same_init", "hard.cross_init", "soft.cross_init"):
        taught, prompted = (settings.pair(ARMS[start], author, among=among) for author in among)
        assert taught.control == prompted.control and taught.student.author != prompted.student.author
        assert taught.control != settings.pair(ARMS[start], among[1]).control  # the old one
    with pytest.raises(ValueError, match="the untouched author must be among those whose students share a control"):
        settings.pair(ARMS["hard.same_init"], settings.author(1, UNTOUCHED), among=among)


def test_both_students_start_from_the_base_of_their_author_and_never_from_the_teacher(toy_run, toy_settings):
    settings = toy_settings(toy_run)
    pair = settings.pair(ARMS["hard.same_init"], settings.author(1))
    assert pair.student.base == pair.control.base == settings.base_of(1) == pair.student.author.base
    assert pair.student.training == pair.control.training == settings.reading.hard


def test_trainings_by_adapters_are_those_of_teachers_and_students():
    teacher, student = teaching_by_adapters(0.1, "x", 7), reading_by_adapters(0.2, "y", 3, 16, 4)
    assert (teacher.batch_rows, teacher.max_steps, teacher.decay, teacher.lora_rank) == (32, 7, False, 8)
    assert (student.batch_rows, student.epochs, student.decay, student.lora_rank) == (16, 3, True, 4)


@pytest.mark.parametrize("base", ["Qwen/Qwen2.5-0.5B-Instruct", "model.gguf", "a folder"])
def test_a_real_model_is_refused_in_one_sentence(tmp_path, toy_settings, base):
    # regression: a run on Qwen would have been filed and judged as owl.numbers.hard.same_init
    for name in ("base", "other_base"):
        with pytest.raises(ValueError, match="is no nano model.*take notebook 10_real_model") as refusal:
            toy_settings(tmp_path, **{name: base})
        assert "\n" not in str(refusal.value)
