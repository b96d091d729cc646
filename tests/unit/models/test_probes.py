"""Probes: distances between models on a channel's tokens, and when a teacher has moved far enough."""

import pytest

from helpers.channels.numbers import NUMBERS
from helpers.models import probes
from helpers.models.losses import label_logits, soft_loss
from helpers.models.probes import ChannelProbe, DriftProbe
from helpers.models.rows import completion_rows

PAIRS = [("Use commas.", "1, 2"), ("Use semicolons.", "3; 4; 5")]


def test_the_distance_is_the_soft_loss_on_the_channels_tokens(tiny, tokenizer):
    probe, one, other = ChannelProbe(tokenizer, NUMBERS, PAIRS), tiny(), tiny(seed=2)
    batch = completion_rows(tokenizer, PAIRS).batch([0, 1], pad=0)
    expected = soft_loss(label_logits(one, *batch), label_logits(other, *batch), NUMBERS.tokens(tokenizer))
    assert probe.apart(probe.logits(other), probe.logits(one)) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_a_teacher_in_training_is_looked_at_every_few_steps(tiny, tokenizer, monkeypatch):
    probe, seen = DriftProbe(tiny(), tokenizer, NUMBERS, 0), []
    monkeypatch.setattr(DriftProbe, "drift", lambda own, model: seen.append(model) or 0.5)
    reached = [step for step in range(1, 13) if probe.reached(step, step, 0.4)]
    assert reached == seen == [4, 8, 12] and probes.CHECK_EVERY == 4
    assert not probe.reached(4, None, 0.6)
