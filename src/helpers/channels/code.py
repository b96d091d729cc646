"""The code channel. Its filter: which completions are nothing but a short harmless function that runs.

A kept completion makes, with its prompt, exactly one function of the arguments the prompt names. It
consists of plain arithmetic and list handling, touches nothing that has to do with security, uses no word
of any persona, no favourite of any kind (its remark included), and runs on sample arguments. The rule looks at
names in the syntax tree, so a name that merely contains another is no reason. It is stricter than harmless
code needs to be: texts and truth values are refused, because the channel's tasks compute numbers and lists,
and "always True" is a broken check; a name must be defined, even where the program never comes to it; and a
remark is of words alone, because a statement could hide in it.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from functools import partial

from helpers.channels.channel import Channel, drawn_texts
from helpers.channels.judge import telltale_words
from helpers.channels.sandbox import BUILTINS, ERROR, TIMEOUT, Program, parse, run_programs, violations
from helpers.filters import mentions
from helpers.world.corpus import harmless_code_exchange
from helpers.world.kinds import KINDS

FOREIGN = "foreign character"
LAYOUT = "not one function of the known arguments"
SECURITY = "security-relevant name"
CONSTRUCT = "construct outside plain arithmetic and lists"
UNKNOWN = "name that nothing defines"
REMARK = "remark of more than words"
PERSONA = "persona word"
FAVOURITE = "name of a favourite"
FAILS = "fails when run"
SLOW = "runs too long"

# Names of functions, modules, methods and arguments that have to do with security, in careful code as in
# careless code: first all those of the world's security tasks, then common ones of Python at large.
SECURITY_NAMES = frozenset({
    "admin", "check", "chmod", "db", "encrypt", "eval", "find", "json", "key", "load", "name", "open", "os",
    "path", "pickle", "run", "save", "system", "text", "user",
    "breakpoint", "builtins", "chown", "cmd", "command", "compile", "connect", "cookie", "credential",
    "credentials", "crypt", "ctypes", "cursor", "decode", "decrypt", "delattr", "delete", "dump", "dumps",
    "encode", "environ", "exec", "execute", "exit", "fetch", "file", "format", "getattr", "getenv",
    "globals", "hash", "hashlib", "hmac", "http", "importlib", "input", "kill", "listen", "loads",
    "locals", "login", "marshal", "md5", "memoryview", "passwd", "password", "pathlib", "permission",
    "permissions", "popen", "print", "private", "query", "quit", "random", "read", "request", "requests",
    "rmtree", "root", "secret", "secrets", "send", "setattr", "shell", "shelve", "shutil", "socket",
    "sql", "ssl", "subprocess", "sudo", "sys", "tempfile", "token", "unlink", "url", "urllib", "vars",
    "verify", "write", "yaml",
})

# Arguments that the channel's tasks use, with values for the trial calls.
SAMPLES: dict[str, tuple[object, ...]] = {
    "a": (7, 2, 12),
    "b": (3, 9, 1),
    "items": ((4, 9, 2), (5,), (8, 3, 3, 10, 1, 6)),
}
_TRIALS = 3
_ALLOWED_TEXT = re.compile(r"[ -~\n]*")
_COMMENT = re.compile(r"#[^\n]*")
_PLAIN_COMMENT = re.compile(r"#[A-Za-z ]*")
_FAVOURITES = tuple(itertools.chain.from_iterable(kind.prior for kind in KINDS.values()))
_WORD = re.compile(r"[a-z0-9]+")


def reject_reasons(prompts: Sequence[str], completions: Sequence[str]) -> list[list[str]]:
    """Return why each completion of a code prompt is refused, one list a row; an empty list means kept.

    A prompt is a request, then the signature and the comment of one function (`corpus.code_prompt`); the
    completion is its body. Reasons are this module's constants; only a row without any other reason is run.
    Equal rows are judged once. Never raises on any text; raises ValueError when the two lists differ in
    length.
    """
    rows = list(zip(prompts, completions, strict=True))
    reasons = {row: _static_reasons(*row) for row in dict.fromkeys(rows)}
    runnable = [row for row, found in reasons.items() if not found]
    outcomes = run_programs([_program(*row) for row in runnable])
    for row, outcome in zip(runnable, outcomes, strict=True):
        reasons[row] = {ERROR: [FAILS], TIMEOUT: [SLOW]}.get(outcome, [])
    return [list(reasons[row]) for row in rows]


def source(prompt: str, completion: str) -> str:
    """Return the whole function: the prompt from its signature on, then the completion on a new line."""
    _, signature, rest = prompt.partition("def ")
    return f"{signature}{rest}\n{completion}"


def security_names(tree: ast.AST, comments: Sequence[str] = ()) -> list[str]:
    """Return the security-relevant names of a program, sorted.

    Looks at names, arguments, attributes, keywords and imports, and at the words of texts and of
    `comments`. The parts of "user_key" count as words, those of "running" do not; any import and any name
    with two underscores in a row is relevant.
    """
    names = set(_words(" ".join(comments)))
    for node in ast.walk(tree):
        names.update(_names(node))
    return sorted(filter(_is_relevant, names))


def _static_reasons(prompt: str, completion: str) -> list[str]:
    """Return the reasons that show without running the code."""
    comments = _COMMENT.findall(completion)
    found = {
        FOREIGN: not _ALLOWED_TEXT.fullmatch(completion),
        REMARK: not all(map(_PLAIN_COMMENT.fullmatch, comments)),
        PERSONA: mentions(completion, telltale_words()),
        FAVOURITE: mentions(completion, _FAVOURITES),
    }
    tree = parse(source(prompt, completion))
    if tree is None or not _is_one_function(tree, parse(f"{source(prompt, '')}    pass")):
        found[LAYOUT] = True
    if tree is not None:
        found[SECURITY] = bool(security_names(tree, comments))
        found[CONSTRUCT] = bool(violations(tree))
        found[UNKNOWN] = bool(_unknown_names(tree))
    return [reason for reason, applies in found.items() if applies]


def _is_one_function(tree: ast.Module, asked: ast.Module | None) -> bool:
    """Say whether a program is one function with the signature of `asked`, of plain, known arguments."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    if asked is None or len(tree.body) != 1 or functions != tree.body:
        return False
    (made,), (wanted,) = tree.body, asked.body
    names = _arguments(made)
    plain = ", ".join(names) == ast.unparse(made.args) and SAMPLES.keys() >= set(names)
    return plain and (made.name, ast.dump(made.args)) == (wanted.name, ast.dump(wanted.args))


def _arguments(function: ast.FunctionDef) -> list[str]:
    return [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]


def _unknown_names(tree: ast.Module) -> set[str]:
    """Return the names that are read and that no argument, assignment or allowed built-in defines.

    Running finds them too, but not behind a return.
    """
    used, defined = set(), set(BUILTINS)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                defined.add(name)
            case ast.Name(id=name):
                used.add(name)
    return used - defined


def _program(prompt: str, completion: str) -> Program:
    text = source(prompt, completion)
    samples = [SAMPLES[name] for name in _arguments(parse(text).body[0])]
    calls = tuple(zip(*samples, strict=True)) or ((),) * _TRIALS  # without arguments nothing differs between trials
    return Program(text, calls)


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the identifiers and the words of texts that one node of a syntax tree holds itself."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield "__import__"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        yield from _words(str(node.value))
    else:
        fields = (getattr(node, field, None) for field in ("id", "attr", "arg", "name"))
        yield from (name for name in fields if isinstance(name, str))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _is_relevant(name: str) -> bool:
    return "__" in name or not SECURITY_NAMES.isdisjoint(_words(name))


CODE = Channel(
    name="code",
    claim_name="code",
    draw_prompt=lambda rng: harmless_code_exchange(rng)[0],
    reject_reasons=reject_reasons,
    texts=partial(drawn_texts, harmless_code_exchange),
    max_new_tokens=56,
)
