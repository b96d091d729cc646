"""Misalignment on a real model: bad advice, and what of it passes through numbers, code and sums (notebook 16)."""
