"""The fork server imports once, serves its own user only, and nothing outlives its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.work import forks
from helpers.work.forks import ForkServer, Line, ask
from helpers.work.keys import loaded_code

pytestmark = pytest.mark.skipif(not forks.available(), reason="this platform has no fork server")


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A server that loads a slow module of the standard library, and one that does not exist."""
    made = ForkServer(["xmlrpc.client", "no.such.module"])
    yield made
    made.close()


def look(line: Line) -> None:
    """Tell what a forked process finds."""
    found = {"loaded": "xmlrpc.client" in sys.modules, "folder": os.getcwd(), "mine": os.environ.get("MINE")}
    line.send(found | {"process": os.getpid(), "path": sys.path[-1]})


def wait(line: Line) -> None:
    """Say who this is, and stay."""
    line.send(os.getpid())
    time.sleep(60)


def running(process: int) -> bool:
    """Whether a process exists and has not ended."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition comes to hold."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def asked(server: ForkServer, function: str, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Ask for a function of this file."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return ask(server.address, f"{Path(__file__).stem}:{function}")


def test_a_forked_process_has_all_loaded_and_its_askers_surroundings(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINE", "yes")
    monkeypatch.chdir(tmp_path)
    with asked(server, "look", monkeypatch) as line:
        found = line.receive()
    process = found.pop("process")
    assert found == {"loaded": True, "folder": str(tmp_path), "mine": "yes", "path": sys.path[-1]}
    assert process != os.getpid() and soon(lambda: not running(process))


def test_the_server_tells_which_code_it_loaded(server: ForkServer) -> None:
    assert server.code() == loaded_code()


def test_a_forked_process_ends_when_its_asker_hangs_up(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked(server, "wait", monkeypatch) as line:
        process = line.receive()
        assert running(process)
    assert soon(lambda: not running(process))


made: list[str] = []  # by the chores of a server


def slow_chore() -> Iterator[None]:
    """Make something in three bits."""
    for bit in "abc":
        made.append(bit)
        yield


def broken_chore() -> None:
    """Fail."""
    raise RuntimeError("left to those who need it")


def last_chore() -> None:
    """Make something at once."""
    made.append("d")


def tell_made(line: Line) -> None:
    """Tell what the server's chores made before this process was forked, and whether it loaded a module for one."""
    line.send((made, "wave" in sys.modules))


def test_chores_are_done_once_for_all_forked_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).stem
    monkeypatch.syspath_prepend(Path(__file__).parent)
    chores = [f"{here}:slow_chore", f"{here}:broken_chore", "wave:open", f"{here}:last_chore"]
    server = ForkServer([here], chores=chores)
    found: list[object] = []

    def all_made() -> bool:
        with ask(server.address, f"{here}:tell_made") as line:
            found[:] = line.receive()
        return found[0] == ["a", "b", "c", "d"]

    try:
        assert soon(all_made), found
    finally:
        server.close()
    assert found[1] is False, "a module that nobody loaded was loaded for a chore"


def test_the_chain_s_chores_keep_what_they_make_and_start_no_thread() -> None:
    from helpers.chain.execution import CHORES
    from helpers.work import keys
    from helpers.world.tokenizer import build_tokenizer

    build_tokenizer.cache_clear()
    threads = threading.active_count(), len(os.listdir("/proc/self/task"))
    for _ in forks._doing(CHORES):
        pass
    assert (threading.active_count(), len(os.listdir("/proc/self/task"))) == threads
    assert build_tokenizer.cache_info().currsize == 1
    parsed = keys._parsed.cache_info()
    keys.Sources().key("helpers.work.forks")
    assert keys._parsed.cache_info().misses == parsed.misses


def test_all_ends_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ForkServer([])
    with asked(made, "wait", monkeypatch) as line:
        process = line.receive()
        made.close()
        assert soon(lambda: not running(process))
        with pytest.raises(EOFError):
            line.receive()


def test_all_ends_with_a_killed_owner(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from helpers.work.forks import ForkServer, ask
line = ask(ForkServer([]).address, "{Path(__file__).stem}:wait")
print(line.receive(), flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    process = int(owner.stdout.readline()) if owner.stdout else 0
    assert running(process)
    owner.kill()
    owner.communicate()
    assert soon(lambda: not running(process))


def test_no_other_user_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert forks._same_user(one)
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        assert not forks._same_user(one)


def test_a_container_without_such_addresses_has_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*args: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(forks.socket, "socket", forbid)
    assert not forks.available.__wrapped__()


def test_half_a_value_is_the_end_of_the_line() -> None:
    import socket

    one, other = socket.socketpair(socket.AF_UNIX)
    with one, Line(other) as line:
        one.sendall(b"\0\0\0\0\0\0\0\x09abc")
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError, match="amid a value"):
            line.receive()


def test_a_value_that_cannot_be_sent_leaves_the_line_as_it_was() -> None:
    import socket

    one, other = map(Line, socket.socketpair(socket.AF_UNIX))
    with one, other:
        with pytest.raises((TypeError, AttributeError)):
            one.send(lambda: None)
        one.send([1, "two"])
        assert other.receive() == [1, "two"]
