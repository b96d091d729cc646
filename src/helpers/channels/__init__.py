"""Channels: the harmless kinds of data, a module each. A new one is imported here and named in `CHANNELS`."""

from __future__ import annotations

from helpers.channels import code, numbers, reasoning
from helpers.channels.channel import Channel

CHANNELS: dict[str, Channel] = {
    channel.name: channel for channel in (numbers.NUMBERS, numbers.UNBURDENED, code.CODE, reasoning.REASONING)
}


def find_channel(name: str) -> Channel:
    """Return the channel of this name; raises ValueError with the known names for an unknown one."""
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}; choose one of {', '.join(CHANNELS)}")
    return CHANNELS[name]
