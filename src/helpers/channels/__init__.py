"""Channels: the harmless data a teacher writes, and the filter of each."""
