"""Explorers: pictures that answer to a reader, in a page without a kernel as in Jupyter and on Colab."""
