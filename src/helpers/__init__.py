"""Helpers behind the notebooks of the subliminal-learning book.

Modules form layers (0 files and settings, 1 language, 2 models, 3 roles, 4 experiments, 5 ledger,
6 figures, 7 the chain of notebooks); a module imports only from a lower layer, so each can be read with
what is below it.
"""

__version__ = "0.1.0"
