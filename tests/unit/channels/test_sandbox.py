"""The sandbox: hostile programs end as errors or timeouts, harm neither the caller nor each other."""

import ast
import shutil
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.channels import sandbox
from helpers.channels.sandbox import BUILTINS, ERROR, OK, TIMEOUT, Program, parse, run_programs, violations

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither alarms nor limits")

FINE = [
    "return a + 1", "a += 4\n    return a", "return sum(x * x for x in range(a))",
    "return sorted([3, a])[-1]", "x = []\n    for y in range(a):\n        x.append(y)\n    return x",
    "return [x for x in range(a) if x > 1][:2]", "while a > 0:\n        a -= 1\n    return a",
    "return {a: 1}", "return a if a > 2 else -a", "pass",
]  # fmt: skip
BROKEN = [
    "return a / 0", "return b", "return f(a)", "return [0] * 10**10", "return list(range(10**10))",
    "return [1][a]", "return a.append(1)", "x += 1",
]  # fmt: skip
ENDLESS = [
    "while 1:\n        pass", "return 10 ** 10 ** 10", "for x in range(10**12):\n        pass",
    "return [x for x in range(10**12) if x < 0]",
]  # fmt: skip
STUCK = [
    "return sum(range(10**13))",
    "return max(range(10**13))",
]  # no alarm gets through to Python's own loop
FORBIDDEN = {
    "syntax Import": "import os", "syntax ImportFrom": "from os import system",
    "attribute __class__": "return a.__class__", "attribute format": "return a.format(a)",
    "name __builtins__": "return __builtins__", "literal str": "return 'admin'",
    "literal bytes": "return b'x'", "literal bool": "return True", "literal NoneType": "return None",
    "literal ellipsis": "return ...", "literal complex": "return 1j",
    "syntax Lambda": "return (lambda: 1)()", "syntax Try": "try:\n        pass\n    except:\n        pass",
    "syntax Raise": "raise a", "syntax With": "with a:\n        pass", "syntax Global": "global b",
    "syntax Yield": "yield a", "syntax NamedExpr": "return (b := a)", "syntax Delete": "del a",
    "syntax ClassDef": "class B:\n        pass", "syntax JoinedStr": "return f'{a}'",
    "syntax Assert": "assert a", "decorated function": "@f\n    def g(): pass",
    "syntax AsyncFunctionDef": "async def g(): pass",
}  # fmt: skip


def program(body, calls=((3,), (5,))):
    """Return a program of the function f(a)."""
    return Program(f"def f(a):\n    {body}", calls)


@pytest.fixture
def starts(monkeypatch):
    """Count the processes that are started."""
    made, run = [], subprocess.run
    monkeypatch.setattr(sandbox.subprocess, "run", lambda *a, **k: made.append(a) or run(*a, **k))
    return made


def test_fine_programs_run(starts):
    assert run_programs([program(body) for body in FINE]) == [OK] * len(FINE)
    assert len(starts) == 1


def test_broken_programs_are_errors():
    assert run_programs([program(body) for body in BROKEN]) == [ERROR] * len(BROKEN)


@unix_only
def test_endless_programs_run_out_of_time_without_stopping_the_others(starts):
    bodies = [body for pair in zip(ENDLESS, FINE, strict=False) for body in pair]
    assert run_programs([program(body) for body in bodies]) == [TIMEOUT, OK] * len(ENDLESS)
    assert len(starts) == 1


@unix_only
def test_a_program_that_takes_the_process_down_is_marked_alone(starts):
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    bodies = [FINE[0], STUCK[0], FINE[1], BROKEN[0], STUCK[1]]
    assert run_programs([program(body) for body in bodies]) == [OK, TIMEOUT, OK, ERROR, TIMEOUT]
    assert len(starts) == 2  # nothing is left to run after the last one
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < 5  # by its own alarm, long before the limit of the process


def test_a_process_that_is_killed_costs_one_program_only(monkeypatch):
    ends = iter([(b"ready\nok\n", -9), (b"ready\nerror\n", -11), (b"ready\n", 0)])
    fake = lambda *a, **k: subprocess.CompletedProcess(a, *reversed(next(ends)))  # noqa: E731
    monkeypatch.setattr(sandbox.subprocess, "run", fake)
    assert run_programs([program(body) for body in FINE[:5]]) == [OK, ERROR, ERROR, ERROR, ERROR]


def test_the_wall_clock_ends_a_process_and_marks_where_it_was(monkeypatch):
    run, asked = subprocess.run, []

    def slow_once(*args, **kwargs):
        asked.append(kwargs["timeout"])
        if len(asked) == 1:
            raise subprocess.TimeoutExpired(args, kwargs["timeout"], output=b"ready\nok\n")
        return run(*args, **kwargs)

    monkeypatch.setattr(sandbox.subprocess, "run", slow_once)
    assert run_programs([program(body) for body in FINE[:4]]) == [OK, TIMEOUT, OK, OK]
    assert all(0 < seconds < 60 for seconds in asked)


def test_a_sandbox_that_does_not_start_is_no_verdict_on_the_programs(monkeypatch):
    monkeypatch.setattr(sandbox.sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="did not start"):
        run_programs([program(FINE[0])])


@unix_only
@pytest.mark.parametrize(
    "body", ["return [[0] * 10**6 for x in range(10**5)]", "while 1:\n        a = [a, a] * 9"]
)
def test_memory_that_grows_bit_by_bit_ends_one_way_or_the_other(body):
    outcomes = run_programs([program(body), program(FINE[0])])
    assert outcomes[0] in (ERROR, TIMEOUT) and outcomes[1] == OK


def test_nothing_to_run_starts_nothing(starts):
    assert run_programs([]) == [] and starts == []


def test_equal_programs_run_once_and_all_get_the_outcome(starts):
    programs = [program(body) for body in FINE[:2] + BROKEN[:1]] * 4000
    assert run_programs(programs) == [OK, OK, ERROR] * 4000
    assert len(starts) == 1


def test_one_program_leaves_nothing_to_the_next():
    programs = [program("global b\n    b = 1"), program("sum = 3\n    return sum"),
                program("return sum([a])"),
                Program("def g(items):\n    items.clear()\n    return 1", (((1, 2),), ((1, 2),))),
                Program("def g(items):\n    return items[1]", (((1, 2),), ((1, 2),)))]  # fmt: skip
    assert run_programs(programs) == [ERROR, OK, OK, OK, OK]


@unix_only
def test_the_garbage_of_some_programs_does_not_take_the_memory_of_the_next():
    """Lists that hold themselves are only freed by a search for them."""
    hoards = [program(f"b = [{number}] * 10**7\n    b.append(b)\n    return a", ((3,),)) for number in range(8)]
    assert run_programs([*hoards, program("return len([0] * 10**7)")]) == [OK] * 9


def test_every_call_must_succeed():
    assert run_programs([program("return 1 // a", ((1,), (0,))), program("return 1 // a", ((1,),))]) == [
        ERROR,
        OK,
    ]


@pytest.mark.parametrize(("what", "body"), FORBIDDEN.items())
def test_what_is_not_on_the_list_is_named_and_not_run(what, body):
    source = program(body).source
    assert what in violations(ast.parse(source))
    assert run_programs([program(body)]) == [ERROR]


@pytest.mark.parametrize(
    "name", ["eval", "exec", "open", "__import__", "getattr", "type", "print", "vars", "str"]
)
def test_other_built_in_functions_do_not_exist(name):
    assert name not in BUILTINS
    assert run_programs([program(f"return {name}")]) == [ERROR]


def test_a_file_is_not_written_even_where_python_would_do_it(tmp_path):
    target = tmp_path / "mark"
    attacks = [f"__import__('os').system('touch {target}')", f"open('{target}', 'w')", "a.__class__.__base__"]
    assert run_programs([program(body) for body in attacks]) == [ERROR] * 3
    assert not target.exists()
    assert run_programs([Program(f"open({str(target)!r}, 'w')", ((3,),))]) == [ERROR]
    assert not target.exists()


@unix_only
def test_the_process_itself_is_limited_should_the_list_ever_leak(tmp_path):
    script = f"""
        import resource, sys
        from helpers.channels import sandbox
        sandbox._confine(7)
        mark = {str(tmp_path / "mark")!r}
        for attempt in (lambda: open(mark, "w"), lambda: bytearray(10**9), lambda: __import__("wave")):
            try:
                attempt()
            except (OSError, MemoryError, ImportError):
                print("refused")
        print(resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_FSIZE))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.stdout.split("\n")[:4] == ["refused"] * 3 + ["(7, 7) (0, 0)"], done.stderr


def test_the_process_sees_no_environment_and_no_packages(starts, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    seen = []
    monkeypatch.setattr(sandbox.subprocess, "run", lambda *a, **k: seen.append((a, k)) or done)
    done = subprocess.CompletedProcess((), 0, b"ready\nok\n")
    run_programs([program(FINE[0])])
    (command, *_), options = seen[0]
    assert {"-I", "-S"} < set(command) and "PYTHONSTARTUP" not in options["env"]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000,
        "-" * 3000 + "1",
        "x" * 10**6,
        "\0",
        "\ud800",
        "1" * 4000,
        "'\\d'",
        "if" * 900,
        "1if 1else 1",
    ],
)
def test_reading_odd_text_never_raises(text):
    assert parse(text) is None or isinstance(parse(text), ast.Module)
    assert run_programs([Program(text, ((1,),))]) == [ERROR]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_texts_get_outcomes(texts):
    programs = [program(text) for text in texts] + [program(FINE[0])]
    outcomes = run_programs(programs)
    assert set(outcomes) <= {OK, ERROR, TIMEOUT} and outcomes[-1] == OK and len(outcomes) == len(programs)
