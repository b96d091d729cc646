"""Papermill's engine, but for writing the notebook to its file before and after every cell.

A chapter with its figures would be written a hundred times, which takes half a second of processor time. It is written
when it starts and when it ends, after a failure or an interrupt too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from papermill.engines import NotebookExecutionManager


@functools.cache
def engine_name() -> str:
    """Let papermill know of the engine, and return the name that it has there."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        """Runs a notebook's cells, with nothing written between them."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **options: Any) -> None:
            """Run the notebook of a manager, which writes it before and after this is called."""
            path, nb_man.output_path = nb_man.output_path, None
            try:
                super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = path

    papermill_engines.register("helpers", Engine)
    return "helpers"
