"""The first code cell of every notebook, as text: it goes to the book's folder, on Google Colab it fetches that first.

Design choices:
- The cell is the only code that exists in every notebook, so it lives here once; a test compares the copies.
- It takes the version of the book that the notebook belongs to, or the newest where that is not published.
- Nothing that Colab already has is installed again, above all not PyTorch: only what is missing or older than the
  book needs, and without dependencies but for transformers. pip asks nobody about what is new enough.
- Jupyter starts a notebook in the folder it lies in; paths in the notebooks begin at the folder above.
- Run again, or after a restart of the runtime, it only changes into the book's folder.
- BOOK_SOURCE and BOOK_FOLDER let a test, or a fork, name another repository and folder.
"""

CELL = """\
# Work from the book's folder. On Google Colab fetch it, install what is missing, keep Colab's PyTorch.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    source = "https://github.com/subliminal-learning-book/subliminal-learning-book"
    folder = os.environ.get("BOOK_FOLDER", "/content/subliminal-learning-book")
    clone = ["git", "clone", "--quiet", "--depth=1", os.environ.get("BOOK_SOURCE", source), folder]
    if not os.path.isdir(folder) and subprocess.call([*clone, "--branch=v0.1.0"]):
        subprocess.check_call(clone)  # that version is not published, take the newest
    if not importlib.util.find_spec("helpers"):
        install = [sys.executable, "-m", "pip", "install", "--quiet"]
        light = ["anywidget", "psygnal", "peft>=0.18", "accelerate", "safetensors"]
        subprocess.check_call([*install, "--no-deps", folder, *light])  # what is there and new enough stays
        subprocess.check_call([*install, "transformers>=5"])
        importlib.invalidate_caches()
    os.chdir(folder)
elif os.path.isfile("../_config.yml"):
    os.chdir("..")
"""
