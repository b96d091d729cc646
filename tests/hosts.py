"""A stubbed Google Colab for tests: an interpreter without the book, a clone to fetch, a Drive, and notebooks to run.

With COLAB_PYTHON in the environment the notebooks run in that interpreter's libraries, such as those of Colab's image.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.utils import run_sync
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
LIBRARIES = "import sysconfig; print(sysconfig.get_path('purelib'))"
PYTHON = os.environ.get("COLAB_PYTHON", sys.executable)


def run_python(python, code, cwd, **environment):
    """Run `code` in another interpreter that sees nothing of this checkout; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Colab:
    """A machine of Colab: an interpreter, a home, and what is set in its environment."""

    home: Path
    environment: dict = field(default_factory=dict)

    @property
    def python(self):
        """The interpreter."""
        return self.home / "venv/bin/python"

    @property
    def book(self):
        """Where the first cell puts the book."""
        return self.home / "book"

    @property
    def drive(self):
        """Where Google Drive is once it is mounted; it is not until a test makes this folder."""
        return self.home / "drive/MyDrive"

    def settings(self):
        """The environment of a kernel."""
        own = {
            "PYTHONPATH": str(self.home / "stub"),
            "BOOK_SOURCE": ROOT.as_uri(),
            "BOOK_FOLDER": str(self.book),
            "BOOK_DRIVE": str(self.drive),
            "IPYTHONDIR": str(self.home / "ipython"),
            "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        if PYTHON == sys.executable:  # its libraries are all there: a download would fail, so none happens
            own |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
        return own | self.environment

    def kernel(self):
        """Start a kernel and return its manager."""
        spec = {"argv": [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Colab", "language": "python"}  # fmt: skip
        folder = self.home / "kernels/colab"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(folder.parent)])
        return AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs)

    def run_all(self, stem, timeout=1500, end_when=None, **parameters):
        """Run a notebook to its last cell, with some parameters edited; returns it and when its first figure came.

        That is in seconds by the clock, and in seconds of processors, which other work beside does not lengthen; None
        where the notebook draws no figure. Once `end_when()` holds, the kernel is killed, and DeadKernelError raised.
        """
        notebook = edited(nbformat.read(ROOT / f"notebooks/{stem}.ipynb", as_version=4), parameters)
        manager, started, seen = self.kernel(), time.monotonic(), []

        def note(cell, **_):
            if "figure" in cell.metadata.get("mystnb", {}) and not seen:
                seen.append((time.monotonic() - started, processor_seconds(manager.provisioner.pid)))

        client = NotebookClient(notebook, km=manager, timeout=timeout, on_cell_executed=note,
                                resources={"metadata": {"path": str(self.home)}})  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JPY"))}
        if end_when:
            threading.Thread(target=kill_when, args=(end_when, manager), daemon=True).start()
        # in a thread, because in the main one nbclient takes SIGTERM and Ctrl-C to itself: it ends the kernel, and a
        # runner that was told to end goes on to say that the kernel died
        with ThreadPoolExecutor(1) as beside:
            try:
                beside.submit(client.execute, env={**kept, **self.settings()}).result()
            finally:
                if client.kc:
                    client.kc.stop_channels()
                run_sync(manager.shutdown_kernel)(now=True)
                run_sync(manager.cleanup_resources)()
        return notebook, seen[0] if seen else None

    def give_card(self, name, mebibytes):
        """Let the machine have a graphics card, as far as its driver tells."""
        told = self.home / "bin/nvidia-smi"
        told.parent.mkdir(exist_ok=True)
        told.write_text(f"#!/bin/sh\necho '{name}, {mebibytes}'\n")
        told.chmod(0o755)

    def take_card(self):
        """Take the card away again."""
        (self.home / "bin/nvidia-smi").unlink()


def make_colab(home):
    """Make a Colab without the book in a folder, and with a google.colab to import."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", home / "venv"], check=True)
    found = Colab(home)
    where = run_python(found.python, LIBRARIES, home).strip()
    # libraries by path, pip among them: an editable install of the book here stays invisible there
    libraries = run_python(PYTHON, LIBRARIES, home)
    (Path(where) / "libraries.pth").write_text(libraries, encoding="utf-8")
    stub = home / "stub/google/colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("", encoding="utf-8")
    return found


def kill_when(condition, manager):
    """Kill a kernel outright once a condition holds, as a machine that is taken away."""
    while not condition():
        time.sleep(0.02)
    os.kill(manager.provisioner.pid, signal.SIGKILL)


def edited(notebook, parameters):
    """Return a notebook whose cell of parameters has other values, as a reader would write them."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            lines = cell.source.splitlines()
            for place, line in enumerate(lines):
                name = line.partition(":")[0]
                if name in parameters:
                    lines[place] = f"{name} = {parameters[name]!r}"
            cell.source = "\n".join(lines)
    return notebook


def processor_seconds(pid):
    """Seconds of processors that a process and its children have used."""
    first = psutil.Process(pid)
    used = 0.0
    for process in [first, *first.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])  # those of children that ended among them
    return used


def told(notebook):
    """All that the cells of a notebook printed or show in words."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", "") or str(output.get("data", {}).get("text/plain", "")))
    return "\n".join(texts)
