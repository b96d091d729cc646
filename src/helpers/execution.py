"""Run one notebook in a kernel of its own, with this very Python, and keep what came out even if it fails.

Design choices:
- The kernel is started from a kernelspec written for this run, so that it is this interpreter whatever other
  Jupyter installations or a user's own kernelspecs and start-up files the machine has.
- The kernel's raw standard error goes to a log and is shown only when the kernel dies.
- The kernel watches its parent process, so it ends even when the runner is killed outright.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.artifacts import explained, write_json
from helpers.progress import ENVIRONMENT_NAME

SECONDS_BETWEEN_LOOKS = 0.3
Show = Callable[[str, int, int | None], None]  # label, done, total


@dataclass
class NotebookFailed(Exception):
    """A cell of a notebook raised, or its kernel died."""

    number: int  # of the code cell as Jupyter shows it, In [number]
    source: str  # the cell
    error: str  # one line
    traceback: str


def execute(source: Path, output: Path, parameters: dict[str, Any], *, offline: bool, show: Show) -> None:
    """Run the notebook `source` into `output` from the current folder, passing its progress on to `show`.

    Raises NotebookFailed, with the notebook as far as it came in `output`; ArtifactError when that cannot be
    written. On KeyboardInterrupt the kernel is stopped before the interrupt goes on.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    with tempfile.TemporaryDirectory(prefix="subliminal-") as scratch:
        log = Path(scratch) / "kernel.log"
        progress = output.parent.parent / "progress.json"
        environment = _kernel_environment(Path(scratch), log, progress, offline)
        try:
            with _environment(environment), _tail(progress, show):
                with explained(output):
                    output.parent.mkdir(parents=True, exist_ok=True)
                    papermill.execute_notebook(source, output, parameters, kernel_name="python3",
                                               progress_bar=False, cwd=".", shutdown_kernel="immediate")
        except papermill.PapermillExecutionError as error:
            raise NotebookFailed(error.exec_count, error.source, f"{error.ename}: {error.evalue}",
                                 _without_colour("\n".join(error.traceback))) from None
        except DeadKernelError:
            told = log.read_text(errors="replace") if log.exists() else ""
            raise NotebookFailed(0, "", "the kernel died, most often for want of memory", told) from None


def _kernel_environment(scratch: Path, log: Path, progress: Path, offline: bool) -> dict[str, str]:
    launch = 'exec "$0" -m ipykernel_launcher -f "$1" 2>"$2"'
    spec = {"argv": ["/bin/sh", "-c", launch, sys.executable, "{connection_file}", str(log)],
            "display_name": "Python 3 (ipykernel)", "language": "python"}
    write_json(scratch / "kernels" / "python3" / "kernel.json", spec, sync=False)
    progress.unlink(missing_ok=True)
    settings = {
        "JUPYTER_PATH": str(scratch),  # searched before every other place
        "IPYTHONDIR": str(scratch / "ipython"),  # not the user's start-up files and history
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        ENVIRONMENT_NAME: str(progress.resolve()),
    }
    return settings | ({"HF_HUB_OFFLINE": "1"} if offline else {})


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _tail(progress: Path, show: Show) -> Iterator[None]:
    """Pass what the notebook's innermost bar writes on to `show`, from a thread, until the block ends."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            # no file yet, or the notebook is between two loops: nothing to show this time
            with contextlib.suppress(OSError, ValueError, KeyError):
                state = json.loads(progress.read_bytes())
                show(state["label"], state["done"], state["total"])

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        progress.unlink(missing_ok=True)


def _without_colour(text: str) -> str:
    from papermill.exceptions import strip_color

    return strip_color(text)
