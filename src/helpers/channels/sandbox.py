"""Runs many small, untrusted functions in one restricted process, and says how each one ended.

A model's code is run to see whether it runs. Two fences stand around it. First, only programs made of an
allow-list of syntax, methods and built-in functions are run at all (`violations`): there is no import, no
text, no attribute but a list's methods, so nothing leads out of the arguments. Second, the process has
limits on time, memory, files and their size where the platform has them, and every function an alarm of its
own. The alarms count processor time, so that the outcome does not depend on how busy the machine is.

This file is both sides: imported it is the caller's, started as a script it is the restricted process.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OK, ERROR, TIMEOUT = "ok", "error", "timeout"

FUNCTION_SECONDS = 0.25  # processor time of one program; twice this ends the process, where an alarm cannot
PROCESS_SECONDS = 20  # wall-clock and processor time of a process, beside a second for each program
MEMORY_BYTES = 512 * 2**20
LONGEST_SOURCE = 4000  # characters; deeper nesting than this allows could exhaust Python's own parser
_READY = "ready"

BUILTINS = (
    "abs", "all", "any", "dict", "divmod", "enumerate", "float", "int", "len", "list", "max", "min", "range",
    "reversed", "round", "set", "sorted", "sum", "tuple", "zip",
)
METHODS = frozenset({
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort",
})
NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.For,
    ast.While, ast.If, ast.IfExp, ast.Break, ast.Continue, ast.Pass, ast.Expr, ast.BinOp, ast.UnaryOp,
    ast.BoolOp, ast.Compare, ast.Call, ast.keyword, ast.Name, ast.Attribute, ast.Subscript, ast.Slice,
    ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.comprehension, ast.Starred, ast.Constant, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    ast.Load, ast.Store,
)


@dataclass(frozen=True)
class Program:
    """One function to try.

    Attributes:
        source: text that defines exactly one function.
        calls: argument lists; the function is called with each. Numbers, or tuples of them (given as lists).
    """

    source: str
    calls: tuple[tuple[object, ...], ...]


def parse(source: str) -> ast.Module | None:
    """Return the syntax tree of `source`, or None where Python cannot read it; never raises on any text."""
    if len(source) > LONGEST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def violations(tree: ast.Module) -> list[str]:
    """Return what in a program is outside the allow-list, sorted; empty means that it may be run."""
    found: set[str] = set()
    for node in ast.walk(tree):
        found.update(_node_violations(node))
    return sorted(found)


def run_programs(programs: Sequence[Program]) -> list[str]:
    """Run every program apart from the others and return "ok", "error" or "timeout" for each, (program,).

    Equal programs are run once. Where a program takes the whole process down, it alone is marked and the
    others go on in a new process. Raises RuntimeError when no restricted process can be started.
    """
    distinct = list(dict.fromkeys(programs))
    outcomes: list[str] = []
    while len(outcomes) < len(distinct):
        done, code = _run_process(distinct[len(outcomes) :])
        outcomes += done
        if len(outcomes) < len(distinct):
            outcomes.append(TIMEOUT if code in _overtime_codes() else ERROR)
    by_program = dict(zip(distinct, outcomes, strict=True))
    return [by_program[program] for program in programs]


def _node_violations(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, NODES):
        yield f"syntax {type(node).__name__}"
    elif isinstance(node, ast.Constant) and type(node.value) not in (int, float):
        yield f"literal {type(node.value).__name__}"
    elif isinstance(node, ast.Attribute) and node.attr not in METHODS:
        yield f"attribute {node.attr}"
    elif isinstance(node, ast.Name) and "__" in node.id:
        yield f"name {node.id}"
    elif isinstance(node, ast.FunctionDef) and (node.decorator_list or node.returns):
        yield "decorated function"
    elif isinstance(node, ast.comprehension) and node.is_async:
        yield "syntax async"


def _run_process(programs: Sequence[Program]) -> tuple[list[str], int | None]:
    """Return the outcomes one process reached, in order, and its exit code (None: it ran out of time)."""
    work = json.dumps([[program.source, program.calls] for program in programs]).encode()
    code: int | None = None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__],
            input=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
            timeout=PROCESS_SECONDS + len(programs),
        )
        written, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as expired:
        written = expired.stdout or b""
    ready, *outcomes = written.decode().split() or [""]
    if ready != _READY:
        raise RuntimeError(f"the restricted process for running code did not start (exit code {code})")
    return outcomes[: len(programs)], code


def _overtime_codes() -> set[int | None]:
    names = ("SIGVTALRM", "SIGXCPU")
    return {None, *(-getattr(signal, name) for name in names if hasattr(signal, name))}


# From here on: the restricted process.


class _TimeUp(BaseException):
    """The alarm of one program; no allowed syntax can catch it."""


def _serve() -> None:
    programs = json.load(sys.stdin)
    _confine(PROCESS_SECONDS + len(programs))
    gc.freeze()  # what is here already need not be looked through again and again
    _answer(_READY)
    for source, calls in programs:
        _answer(_outcome(source, calls))
        gc.collect()  # lists that hold themselves would stay, and take the memory of the programs after them


def _answer(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _confine(seconds: float) -> None:
    """Set the limits of this process, as far as the platform knows them."""
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, _alarm)
    with contextlib.suppress(ImportError):
        import resource  # not on every platform

        whole = math.ceil(seconds)
        limits = {"CPU": whole, "AS": MEMORY_BYTES, "NOFILE": 3, "FSIZE": 0, "CORE": 0}
        for name, most in limits.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def _alarm(*_: object) -> None:
    raise _TimeUp


def _set_alarm(seconds: float) -> None:
    """Ask for `_TimeUp` after this much processor time, and for the end of the process after twice as much.

    The second is for loops inside Python's own C code, where no exception can be raised. 0 withdraws both.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
        signal.setitimer(signal.ITIMER_VIRTUAL, 2 * seconds)


def _outcome(source: str, calls: Sequence[Sequence[object]]) -> str:
    try:
        try:
            _set_alarm(FUNCTION_SECONDS)
            function = _define(source)
            for arguments in calls:
                function(*arguments)
        finally:
            _set_alarm(0)
    except _TimeUp:
        return TIMEOUT
    except BaseException:  # whatever a program does, the next one has its turn
        return ERROR
    return OK


def _define(source: str) -> object:
    """Return the one function of an allowed program; raises ValueError for any other."""
    tree = parse(source)
    if tree is None or violations(tree) or [type(node) for node in tree.body] != [ast.FunctionDef]:
        raise ValueError("not an allowed program")
    every = __builtins__ if isinstance(__builtins__, dict) else vars(__builtins__)
    names: dict[str, object] = {"__builtins__": {name: every[name] for name in BUILTINS}}
    exec(compile(tree, "<program>", "exec"), names)
    return names[tree.body[0].name]


if __name__ == "__main__":
    _serve()
