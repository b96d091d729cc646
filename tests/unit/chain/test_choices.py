"""What a reader chooses goes into the notebook's variables, is remembered, and is never in the way of a run."""

import pytest

from helpers.chain import choices
from helpers.chain.profiles import ProfileError, load_profile
from helpers.models import runtime
from helpers.work.machine import Card
from helpers.work.progress import ENVIRONMENT_NAME

REAL, OWL = "10_real_model", "01_owl_transfer"


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of one's own without a card, on which nothing was chosen yet; returns what makes it another."""
    monkeypatch.setattr(choices, "_remembered", {})
    fetched = []
    monkeypatch.setattr(choices, "fetch_weights", fetched.append)

    def become(card=None, hosted=True):
        monkeypatch.setattr(choices, "find_card", lambda: card)
        monkeypatch.setattr(choices, "is_hosted", lambda: hosted)
        return fetched

    become(hosted=False)
    return become


@pytest.fixture
def parameters():
    """Return the parameters of a notebook, as its cell leaves them."""
    from helpers.chain.notebooks import load_notebook
    from helpers.chain.steps import NOTEBOOKS

    def given(stem):
        known = load_notebook(NOTEBOOKS / f"{stem}.ipynb").parameters
        return {name: parameter.default for name, parameter in known.items()}

    return given


def test_nothing_changes_where_nobody_chooses(parameters):
    for stem in (OWL, REAL, "06_mnist"):
        given = parameters(stem)
        choices.offer(stem, given)
        assert given == parameters(stem)


def test_a_choice_is_written_and_remembered(parameters):
    given = parameters(OWL)
    form = choices.offer(OWL, given)
    form.fields["draw"].value = 812
    form.fields["animal"].value = "cat"
    assert (given["recompute"], given["animal"]) == ([812], "cat")
    assert "Now run the cells below." in form.told.value
    given = parameters(OWL)  # "Run all": the cell of parameters comes first
    again = choices.offer(OWL, given)
    assert (given["recompute"], given["animal"]) == ([812], "cat") and again.fields["animal"].value == "cat"
    again.fields["draw"].value = choices.NONE
    assert given["recompute"] == []
    again.fields["draw"].value = choices.ALL
    assert given["recompute"] == given["draws"]
    again.fields["draw"].value = choices.AS_THEY_ARE
    assert given["recompute"] == parameters(OWL)["recompute"]


@pytest.mark.parametrize("hosted", [True, False])
def test_parameters_that_somebody_edited_stay(parameters, machine, hosted):
    machine(hosted=hosted)
    given = parameters(OWL) | {"recompute": [801, 803], "run_dir": "_runs/mine"}
    before = dict(given)
    choices.offer(OWL, given)
    assert given == before


def test_a_card_does_not_undo_what_somebody_edited(machine, parameters, devices):
    """The old code took the card's profile all the same, and with it other rows."""
    fetched = machine(Card("Tesla T4", 15.0))
    given = parameters(REAL) | {"rows": 8}
    before = dict(given)
    form = choices.offer(REAL, given)
    assert given == before and set(fetched) == {"smollm2"}
    form.fields["profile"].value = "colab-t4"  # a choice is a choice
    assert given["rows"] == load_profile("colab-t4").notebooks[REAL]["rows"]


def test_a_hosted_machine_computes_a_draw_with_few_arms(machine, parameters):
    machine()
    given = parameters(OWL)
    choices.offer(OWL, given)
    assert given["recompute"] == [809] and 809 not in given["few_draws"]


def test_the_chain_is_left_alone(parameters, machine, monkeypatch):
    machine()
    monkeypatch.setenv(ENVIRONMENT_NAME, "progress.json")
    given = parameters(OWL)
    assert choices.offer(OWL, given) is None and given == parameters(OWL)


def test_the_time_is_that_of_the_choice(parameters, machine):
    given = parameters(OWL)
    form = choices.offer(OWL, given)
    form.fields["draw"].value = choices.ALL
    every = form.told.value
    form.fields["draw"].value = 812
    assert "minutes on" in every and every != form.told.value and "twice" not in every
    machine()
    assert "and here perhaps twice as long." in choices.offer(OWL, given).told.value
    form.fields["draw"].value = choices.NONE
    assert "The cells below run as they stand." in form.told.value


@pytest.fixture
def devices(monkeypatch):
    """The devices that were chosen, on a machine that seems to have a card."""
    chosen = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(runtime, "_chosen", [])
    monkeypatch.setattr(runtime, "use", lambda wanted: chosen.append(wanted.device))
    return chosen


def test_a_card_takes_its_profile_and_one_draw(machine, parameters, devices):
    fetched = machine(Card("Tesla T4", 15.0))
    given = parameters(REAL)
    choices.offer(REAL, given)
    assert given["model"] == "qwen05" and given["run_dir"] == "_runs/colab-t4"
    assert given["rows"] == load_profile("colab-t4").notebooks[REAL]["rows"]
    assert given["recompute"] == given["draws"] == [1001]  # nothing is published, so all that is shown is computed
    assert "cuda" in devices and set(fetched) == {"qwen05"}


def test_a_model_that_does_not_fit_is_refused_and_the_other_stays(machine, parameters, devices):
    machine(Card("Tesla T4", 15.0))
    given = parameters(REAL)
    form = choices.offer(REAL, given)
    form.fields["profile"].value = "a100"
    assert "profile a100 takes about 20 GiB" in form.told.value
    assert given["model"] == "qwen05"
    form.fields["profile"].value = "real-cpu"
    assert given["model"] == "smollm2" and given["run_dir"] == "_runs/real-cpu"


def test_a_wish_is_granted_or_refused_before_a_download(machine, parameters, monkeypatch):
    fetched = machine(Card("Tesla T4", 15.0))
    monkeypatch.setenv("BOOK_PROFILE", "a100")
    with pytest.raises(ProfileError, match="profile a100 takes about 20 GiB"):
        choices.offer(REAL, parameters(REAL))
    monkeypatch.setenv("BOOK_PROFILE", "nano")
    with pytest.raises(ProfileError, match="profile nano does not run 10_real_model"):
        choices.offer(REAL, parameters(REAL))
    assert fetched == []
