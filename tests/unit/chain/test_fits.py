"""What fits a card: refused in one sentence, and chosen with room to spare."""

import pytest

from helpers import cli
from helpers.chain import fits
from helpers.chain.profiles import ProfileError, load_profile
from helpers.work import machine
from helpers.work.machine import Card, find_card

T4, L4, A100 = Card("Tesla T4", 15.0), Card("NVIDIA L4", 22.5), Card("NVIDIA A100-SXM4-80GB", 80.0)
REAL = {"10_real_model"}


@pytest.mark.parametrize(("card", "name"), [(None, ""), (Card("old", 2.0), ""), (T4, "colab-t4"), (L4, "colab-l4"),
                                            (A100, "a100")])  # fmt: skip
def test_the_largest_profile_with_room_to_spare_is_chosen(card, name):
    assert fits.best_profile(REAL, card) == name
    assert fits.best_profile({"01_owl_transfer"}, card) == ""


def test_what_does_not_fit_is_refused_with_a_cure():
    fits.require_fit(load_profile("a100"), None)
    fits.require_fit(load_profile("nano"), Card("old", 0.5))
    fits.require_fit(load_profile("colab-l4"), T4)  # tight, but somebody asked for it
    with pytest.raises(ProfileError, match=r"a100 takes about 20 GiB .* \(Tesla T4, 15 GiB\); take --profile colab-t4"):
        fits.require_fit(load_profile("a100"), T4)
    with pytest.raises(ProfileError, match="take a profile without a card, such as nano"):
        fits.require_fit(load_profile("a100"), Card("old", 2.0))


def test_the_plan_is_shown_and_then_refused(monkeypatch, capsys):
    monkeypatch.setattr("helpers.work.machine.find_card", lambda: T4)
    assert cli.main(["plan", "--profile", "a100"]) == 2
    told = capsys.readouterr()
    assert "10_real_model" in told.out
    assert told.err.startswith("subliminal: profile a100 takes about 20 GiB") and told.err.count("\n") == 1
    assert cli.main(["plan", "--profile", "colab-t4"]) == 0


def test_a_run_is_refused_before_anything_starts(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("helpers.chain.run.find_card", lambda: T4)
    assert cli.main(["run", "--profile", "a100"]) == 2
    assert capsys.readouterr().err.startswith("subliminal: profile a100 takes about 20 GiB")


@pytest.mark.parametrize(("script", "card"), [
    ("echo 'Tesla T4, 15360'", T4),
    ("echo 'Tesla T4, 15360'; echo 'Tesla T4, 15360'", T4),
    ("echo 'No devices were found'", None),
    ("exit 9", None),
])  # fmt: skip
def test_the_driver_is_asked_for_the_card(tmp_path, monkeypatch, script, card):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setattr(machine, "_ASK_CARD", [str(tmp_path / "nvidia-smi"), *machine._ASK_CARD[1:]])
    assert find_card() == card
    monkeypatch.setattr(machine, "_ASK_CARD", [str(tmp_path / "absent")])
    assert find_card() is None
