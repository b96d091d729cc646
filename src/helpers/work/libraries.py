"""The libraries whose versions decide what numbers come out."""

from __future__ import annotations

import importlib.metadata
import sys

LIBRARIES = ("numpy", "scipy", "tokenizers", "torch", "transformers", "peft")


def library_versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that compute results (None: absent); imports none of them."""
    versions: dict[str, str | None] = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions
