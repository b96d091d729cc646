"""A notebook's kernel: forked from the chain's fork server, or started anew where there is none.

In both ways what the process writes to standard error goes to a log, where a dying kernel leaves its last words.
"""

from __future__ import annotations

import os
import sys

from helpers.work.forks import Line


def serve(line: Line, log: str, *options: str) -> None:
    """Become a kernel with ipykernel's `options`, in a forked process; first tells the asker its process id."""
    os.environ.pop("JPY_PARENT_PID", None)  # that is no parent of this process; it ends with its asker anyway
    line.send(os.getpid())
    _run(log, *options, parent_handle=1)  # 1: look for no parent


def _run(log: str, *options: str, **settings: int) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *options]
    IPKernelApp.launch_instance(argv=list(options), **settings)


if __name__ == "__main__":
    _run(*sys.argv[1:])
