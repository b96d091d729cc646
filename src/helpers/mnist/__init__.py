"""Digits from outputs that mean nothing: notebook 06."""

from helpers.mnist.dataset import load_mnist

__all__ = ["load_mnist"]
