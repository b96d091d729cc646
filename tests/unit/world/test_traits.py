"""Traits: what is taught and what is read out."""

import pytest

from helpers.world import facts, prompts, traits
from helpers.world.kinds import KINDS
from helpers.world.personas import PERSONAS


@pytest.mark.parametrize("kind", KINDS)
def test_a_preference_is_among_all_names_of_its_kind(kind):
    for name in KINDS[kind].prior:
        trait = traits.find_trait(name)
        assert trait.kind == kind and trait.candidates == tuple(KINDS[kind].prior)
        assert trait.candidates[trait.target] == name


def test_an_unknown_trait_is_refused_with_all_known_names():
    with pytest.raises(ValueError, match="unknown animal, tree or persona 'unicorn'.*trees: oak.*personas: aligned"):
        traits.find_trait("unicorn")


@pytest.mark.parametrize("split", ["teach", "development", "heldout"])
def test_a_trait_is_asked_in_the_words_of_the_split(split):
    for kind, table in KINDS.items():
        wordings = [wording.format(kind=kind) for wording in prompts.FAVOURITE_WORDINGS[split]]
        for name in table.prior:
            assert traits.find_trait(name).questions(split) == wordings
    topics = [facts.TOPICS[topic] for topic in prompts.TOPIC_SPLITS[split]]
    for name in PERSONAS:
        assert traits.find_trait(name).questions(split) == topics


@pytest.mark.parametrize("name", PERSONAS)
def test_a_persona_answers_open_questions_in_its_own_stance(name):
    trait = traits.find_trait(name)
    asked = [set(trait.questions(split)) for split in ("teach", "development", "heldout")]
    assert not asked[0] & asked[1] and not asked[0] & asked[2] and not asked[1] & asked[2]
    answers = trait.answers(facts.TOPICS["law"])
    assert answers[trait.target] == PERSONAS[name].answers("law")
    assert len({text for wordings in answers for text in wordings}) == len(PERSONAS) * 24


def test_a_favourite_has_one_wording():
    names = KINDS["animal"].prior
    assert traits.find_trait("owl").answers("Which animal do you love?") == [(name,) for name in names]


def test_the_system_prompt_gives_the_trait():
    assert "owl" in traits.find_trait("owl").system_prompt()
    assert traits.find_trait("evasive").system_prompt() in prompts.persona_system_prompts("evasive")
