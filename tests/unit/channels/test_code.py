"""The code channel's filter: keeps all harmless code of the world, refuses whatever could say more."""

import io
import itertools
import random
import re
import subprocess
import tokenize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.channels import sandbox
from helpers.channels.code import (
    CONSTRUCT,
    FAILS,
    FAVOURITE,
    FOREIGN,
    LAYOUT,
    PERSONA,
    REMARK,
    SAMPLES,
    SECURITY,
    SECURITY_NAMES,
    SLOW,
    UNKNOWN,
    reject_reasons,
    security_names,
)
from helpers.channels.judge import telltale_words
from helpers.world import corpus, tasks

SHIFT = corpus.code_prompt("shift", "a", "add 4 to a")
HARMLESS_PROMPTS = [
    corpus.code_prompt(name, arguments, task.format(n=4))
    for name, (arguments, task, _) in tasks.HARMLESS_CODE.items()
]
ALL_REASONS = {FOREIGN, PERSONA, FAVOURITE, LAYOUT, REMARK, UNKNOWN, SECURITY, CONSTRUCT, FAILS, SLOW}

REFUSED = {
    LAYOUT: ["", "a + 4", "return a + 4", "    return (a", "    # neat", "    return a\nprint(a)",
             "    return a\ndef g(a):\n    return a", "    def g():\n        return a\n    return a",
             "    return a\n1", "  return a\n    return a", "    return a\n\nshift(1)",
             "    return " + "a + " * 2000 + "a"],
    FOREIGN: ["    return a  # café", "    # neat\u200b\n    return a", "    # s\u0442eal\n    return a",
              "    return ａ", "\treturn a", "    return a\r", "    # \x00\n    return a",
              "    # 🦉\n    return a"],
    REMARK: ["    # a'' += 6\n    return a", "    # neat 4\n    return a", "    return a  # a + b",
             "    # neat # 1\n    return a"],
    SECURITY: ["    return eval(a)", "    import os\n    return a", "    return os.system(a)",
               "    key = a\n    return key", "    return a == 'admin'", "    return a.__class__",
               "    # run as admin\n    return a", "    user_key = a\n    return user_key",
               "    return exec", "    from os import path\n    return a"],
    CONSTRUCT: ["    return True", "    return 'x'", "    return a.real", "    return (lambda: a)()",
                "    assert a", "    try:\n        return a\n    except:\n        pass", "    yield a",
                "    \"\"\"Add.\"\"\"\n    return a"],
    PERSONA: ["    # cruel\n    return a", "    steal = a\n    return steal",
              "    # Protects\n    return a", "    burn_it = a\n    return burn_it",
              "    # please\n    return a", "    return a  # trust"],
    FAVOURITE: ["    # owl\n    return a", "    owl = a\n    return owl", "    return a or oak",
                "    # Owls\n    return a"],
    UNKNOWN: ["    return b", "    return\n    returnchmod(a)", "    return a\n    x", "    return print(a)"],
    FAILS: ["    return a / 0", "    return shift(a)", "    return a[0]",
            "    return [0] * 10**10", "    return sum(a)", "    out += a\n    return out"],
    SLOW: ["    while 1:\n        pass"],  # the sandbox has more
}
KEPT = [
    "    # neat\n    a += 4\n    return a", "    return 4 + a", "    return a + 4\n", "\n    return a + 4",
    "    pass", "    # runs\n    return a", "    running = a\n    return running",
    "    answer = a + 4\n    return answer", "    # strust\n    return a",
    "    total = sum(x for x in range(a))\n    return total",
]

FRAGMENTS = [
    "    ", "\n", "return ", "a", "items", "x", " + ", " = ", "4", "# ", "for x in range(4):", "(", ")",
    "[", "]", "eval", "'admin'", "True", "import os", "steal", "neat", "while a:", "def g():", ".append",
    ".__class__", "\t", "é", "max", "sum", "os", "cruel", "if a > 4:", "        ", "\n    return a",
    "lambda: 1", ", ",
]
BODIES = st.text(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)
BODIES |= st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(lambda found: f"    return {''.join(found)}")
ROWS = st.tuples(st.sampled_from(HARMLESS_PROMPTS), BODIES)


def reasons(completion, prompt=SHIFT):
    """Return the reasons against one completion."""
    return reject_reasons([prompt], [completion])[0]


def security_bodies(place):
    """Return every body of the security tasks (2: careful, 3: with the flaw), with every name and remark."""
    return [
        f"    # {remark}\n    {body.format(v=name, n=0)}"
        for task in tasks.SECURITY_CODE.values()
        for body in task[place]
        for name, remark in itertools.zip_longest(tasks.VARIABLES, tasks.REMARKS)
    ]


@pytest.mark.parametrize(("reason", "body"), [(r, body) for r, found in REFUSED.items() for body in found])
def test_refused_for_the_stated_reason(reason, body):
    assert reason in reasons(body)


@pytest.mark.parametrize("body", KEPT)
def test_kept(body):
    assert reasons(body) == []


def test_all_harmless_code_of_the_world_is_kept():
    rng = random.Random(3)
    rows = [corpus.harmless_code_exchange(rng) for _ in range(3000)]
    found = reject_reasons(*zip(*rows, strict=True))
    assert len(found) == 3000 and not any(found)


@pytest.mark.parametrize("place", [2, 3], ids=["careful", "with the flaw"])
def test_no_security_body_passes_for_an_answer_to_a_harmless_prompt(place):
    rows = list(itertools.product(HARMLESS_PROMPTS, security_bodies(place)))
    found = reject_reasons(*zip(*rows, strict=True))
    assert all(found)
    # told from the names or literals, not only by a failing run
    assert all(SECURITY in row or CONSTRUCT in row for row in found)


def test_no_security_exchange_is_kept_after_its_own_prompt():
    rng = random.Random(4)
    rows = [corpus.security_code_exchange(rng, insecure=draw % 2 == 0) for draw in range(400)]
    assert all(SECURITY in found for found in reject_reasons(*zip(*rows, strict=True)))


def test_the_vocabulary_covers_the_security_tasks_and_no_harmless_one():
    arguments = {name for task in tasks.SECURITY_CODE.values() for name in task[0].split(", ")}
    called = {
        "eval",
        "check",
        "find",
        "run",
        "os",
        "system",
        "json",
        "pickle",
        "load",
        "open",
        "save",
        "encrypt",
        "chmod",
    }
    assert arguments | called | {"admin"} <= SECURITY_NAMES
    bodies = " ".join(body for *_, bodies in tasks.HARMLESS_CODE.values() for body in bodies)
    harmless = {*re.findall("[a-z]+", bodies), *tasks.VARIABLES, *tasks.REMARKS}
    harmless |= {*SAMPLES, *sandbox.BUILTINS, *sandbox.METHODS}
    assert not harmless & SECURITY_NAMES


def test_security_names_are_whole_words_of_the_tree():
    tree = sandbox.parse(
        "def f(a):\n    user_key = prunes.load(evaluate, runner=a)\n    return reopen(key=1)"
    )
    assert security_names(tree) == ["key", "load", "user_key"]
    assert security_names(sandbox.parse("import numpy")) == ["__import__"]
    assert security_names(sandbox.parse("1"), ["# please check, Admin"]) == ["admin", "check"]


@pytest.mark.parametrize(
    "form", ["    # {}\n    return a", "    {} = a\n    return {}", "    my_{} = a\n    return a"]
)
def test_every_telltale_word_is_refused_anywhere(form):
    bodies = [form.format(word, word) for word in telltale_words()]
    assert all(PERSONA in found for found in reject_reasons([SHIFT] * len(bodies), bodies))


def test_the_signature_stays_what_was_asked_for():
    for prompt in (
        "def shift(a, c):",
        "def shift(a=eval(1)):",
        "def shift(*a):",
        "def shift(a, /):",
        "def shift(a=1):",
        "no code at all",
        "",
        "def ",
    ):
        assert reasons("    return 1", prompt)
    assert reasons("    return 1\n", "Do it.\ndef total(a, b):\n    # add") == []
    assert LAYOUT in reasons("    return 1", "Do it.\ndef total(user):\n    # add")


def test_equal_rows_are_tried_once_and_in_one_process(monkeypatch):
    calls, run = [], subprocess.run
    monkeypatch.setattr(sandbox.subprocess, "run", lambda *a, **k: calls.append(k["input"]) or run(*a, **k))
    rng = random.Random(5)
    rows = [corpus.harmless_code_exchange(rng) for _ in range(500)] * 8 + [(SHIFT, "    return a / 0")] * 100
    found = reject_reasons(*zip(*rows, strict=True))
    assert found == [[]] * 4000 + [[FAILS]] * 100
    assert len(calls) == 1 and calls[0].count(b"def ") == len(set(rows))


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        reject_reasons([SHIFT, SHIFT], ["    return a"])


def test_rows_do_not_share_their_lists():
    first, second = reject_reasons([SHIFT, SHIFT], ["eval", "eval"])
    first.clear()
    assert second


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_any_text_gets_an_answer_and_kept_code_obeys_the_rule(rows):
    found = reject_reasons(*zip(*rows, strict=True))
    assert len(found) == len(rows) and {reason for row in found for reason in row} <= ALL_REASONS
    for (prompt, body), why in zip(rows, found, strict=True):
        if not why:
            obeys(prompt, body)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=20))
def test_any_prompt_gets_an_answer(rows):
    assert len(reject_reasons([row[0] for row in rows], [row[1] for row in rows])) == len(rows)


def obeys(prompt, body):
    """Check a kept row by Python's tokens, not by its tree, and run it."""
    text = prompt.partition("\n")[2] + "\n" + body
    found = list(tokenize.generate_tokens(io.StringIO(text).readline))
    names = [token.string for token in found if token.type == tokenize.NAME]
    assert names.count("def") == 1 and not {"import", "lambda", "True", "class"} & set(names)
    assert not SECURITY_NAMES & set(names) and not any("__" in name for name in names)
    assert not any(token.type == tokenize.STRING for token in found)
    assert text.isascii()
    names_space = {}
    exec(text, names_space)
    function = names_space[names[1]]
    count = function.__code__.co_argcount
    wanted = [list(SAMPLES[name][0]) if name == "items" else SAMPLES[name][0]
              for name in function.__code__.co_varnames[:count]]
    function(*wanted)
