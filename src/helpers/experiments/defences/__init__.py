"""Defences of notebook 12: what is done to rows, labels or training so that a trait does not pass."""
