"""Language models: loading, training, sampling, reading out."""

from helpers.models.bases import load_base

__all__ = ["load_base"]
