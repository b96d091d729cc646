"""Run one notebook in a kernel of its own, with this very Python, and keep what came out even if it fails.

Design choices:
- The kernel is started from a kernelspec written for this run, so that it is this interpreter whatever other
  Jupyter installations or a user's own kernelspecs and start-up files the machine has.
- Where the platform has what it needs, kernels and their workers are forked from one process that has imported all,
  so a chain pays for its imports once. Elsewhere each is started anew, with equal results.
- The kernel's raw standard error goes to executed/<notebook>.log, where a dying kernel leaves its last words.
- The kernel ends with the runner, even when that is killed outright.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.chain.engine import engine_name
from helpers.work import forks
from helpers.work.artifacts import explained, write_json
from helpers.work.errors import PACKAGE, RAISES
from helpers.work.forks import ForkServer
from helpers.work.progress import ENVIRONMENT_NAME

if TYPE_CHECKING:
    from papermill.exceptions import PapermillExecutionError

SECONDS_BETWEEN_LOOKS = 0.3
SECONDS_TO_START = 300  # of a kernel; a busy machine takes long to load torch
SECONDS_FOR_OUTPUT = 600  # for what a cell printed to arrive after the cell ended; nbclient's own 4 fail at 100 MB
LONGEST_TOLD = 200  # characters of another library's message
_FRAME = re.compile(r"^(?:File )?(.+?[.]py)(?::\d+)?,? in ", re.MULTILINE)
_ARROW = re.compile(r"^-+> \d+ +(.*)$", re.MULTILINE)
PROGRESS = "progress.json"  # in the run folder while a notebook runs
STUB = Path(__file__).with_name("stub.py")
KERNEL = ("ipykernel.kernelapp", "ipykernel.ipkernel", "helpers.chain.kernel")  # modules
# what kernels and workers would each make for themselves
CHORES = ("helpers.world.tokenizer:build_tokenizer", "helpers.work.keys:parse_loaded")
Show = Callable[[str, int, int | None], None]  # label, done, total


@dataclass
class NotebookFailed(Exception):
    """A cell of a notebook raised, or its kernel died."""

    number: int  # of the code cell as Jupyter shows it, In [number]
    source: str  # the cell
    error: str  # one line
    traceback: str
    refusal: str = ""  # what the book's own code says to the person, where it raised this on purpose


@contextlib.contextmanager
def fork_server(modules: Iterable[str], log: Path, offline: bool) -> Iterator[ForkServer | None]:
    """A server to fork kernels from, which imports `modules`, while the block runs; None where there can be none."""
    if not forks.available():
        yield None
        return
    environment = {**os.environ, **_fixed_environment(offline)}
    environment.pop("JPY_PARENT_PID", None)  # where the chain itself runs in a notebook
    with explained(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        server = ForkServer([*sorted(modules), *KERNEL], environment, log, CHORES)
    try:
        yield server
    finally:
        server.close()


def execute(
    source: Path,
    output: Path,
    parameters: dict[str, Any],
    *,
    offline: bool,
    show: Show,
    server: ForkServer | None = None,
) -> None:
    """Run the notebook `source` into `output` from the current folder, passing its progress on to `show`.

    Its kernel is forked from `server`, where there is one. Raises NotebookFailed, with the notebook as far as it came
    in `output`; ArtifactError when that cannot be written. On KeyboardInterrupt the kernel is stopped before the
    interrupt goes on.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    for name in ("asyncio", "traitlets"):  # they would repeat on the screen the errors that are raised here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    run_dir, log = output.parent.parent.resolve(), output.with_suffix(".log")
    try:
        with explained(output), _kernel_folder(run_dir, log, server) as folder, _tail(run_dir / PROGRESS, show):
            output.parent.mkdir(parents=True, exist_ok=True)
            own = {
                "JUPYTER_PATH": str(folder),  # searched before every other place
                "IPYTHONDIR": str(folder / "ipython"),  # not the user's start-up files and history
                ENVIRONMENT_NAME: str(run_dir / PROGRESS),
                **({forks.ENVIRONMENT_NAME: server.address} if server else {}),
            }
            with _environment(_fixed_environment(offline) | own):
                _papermill(source, output, parameters)
    except PapermillExecutionError as error:
        raise _failure(error) from None
    except (DeadKernelError, RuntimeError) as error:
        if not isinstance(error, DeadKernelError) and "Kernel died" not in str(error):  # jupyter_client, at the start
            raise
        what = f"the kernel died, most often for want of memory (its own words are in {log})"
        raise NotebookFailed(0, "", what, "") from None


def _papermill(source: Path, output: Path, parameters: dict[str, Any]) -> None:
    import papermill

    try:
        papermill.execute_notebook(
            source,
            output,
            parameters,
            engine_name=engine_name(),
            kernel_name="python3",
            progress_bar=False,
            cwd=".",
            shutdown_kernel="immediate",
            start_timeout=SECONDS_TO_START,
            iopub_timeout=SECONDS_FOR_OUTPUT,
        )
    except TimeoutError as error:  # an OSError, but no file is to blame
        what = " ".join(str(error).split())[:LONGEST_TOLD]
        cure = f"print less; output must arrive within {SECONDS_FOR_OUTPUT} seconds"
        raise NotebookFailed(0, "", f"the kernel did not answer in time ({what}); {cure}", "") from None


def _failure(error: PapermillExecutionError) -> NotebookFailed:
    from papermill.exceptions import strip_color

    traceback = strip_color("\n".join(error.traceback))
    refusal = error.evalue if raised_by_the_book(traceback) else ""
    return NotebookFailed(error.exec_count, error.source, f"{error.ename}: {error.evalue}", traceback, refusal)


def raised_by_the_book(traceback: str) -> bool:
    """Whether code of this package raised an exception on purpose, to tell a person what to mend.

    `traceback` is as IPython shows it, without colours: each frame begins with its file, an arrow marks its line.
    """
    lines, files = _ARROW.findall(traceback), _FRAME.findall(traceback)
    if not lines or not files:
        return False
    file = Path(files[-1]).expanduser()  # IPython writes ~ for the home folder
    return file.is_relative_to(PACKAGE) and re.match(RAISES, lines[-1]) is not None


@contextlib.contextmanager
def _kernel_folder(run_dir: Path, log: Path, server: ForkServer | None) -> Iterator[Path]:
    """A folder with a kernelspec for this interpreter, its stderr going to `log`; removed at the end."""
    folder = run_dir / "kernel"
    shutil.rmtree(folder, ignore_errors=True)  # a killed run leaves one
    if server:
        start = [sys.executable, "-I", "-S", str(STUB), server.address]
    else:
        start = [sys.executable, "-P", "-m", "helpers.chain.kernel"]
    spec = {
        "argv": [*start, str(log.resolve()), "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    write_json(folder / "kernels" / "python3" / "kernel.json", spec, sync=False)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fixed_environment(offline: bool) -> dict[str, str]:
    """What must be set before the interpreter, or a library, is loaded."""
    settings = {
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as ipykernel sets it
        # freed blocks stay with glibc: handing each back and asking for it again costs an eighth of a training's time
        "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
        "MALLOC_TRIM_THRESHOLD_": str(1024 * 1024 * 1024),
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

    progress.unlink(missing_ok=True)
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        progress.unlink(missing_ok=True)
