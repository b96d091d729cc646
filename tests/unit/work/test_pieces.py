"""Sweeps: nothing is computed twice, workers do not change results, a killed run leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.work import pieces, workers
from helpers.work.artifacts import ArtifactError, Store

WORK = '''
"""A piece of work that notes each time it is done."""

import os
import time
from pathlib import Path

from helpers.work.keys import content_key


def square(piece):
    import torch

    with open(Path(piece["log"]) / "calls", "a") as log:
        log.write(f"{piece['x']}\\n")
    if piece["x"] == piece.get("fails"):
        raise KeyboardInterrupt
    made = {"square": piece["x"] ** 2, "threads": torch.get_num_threads(), "names": sorted(piece)}
    return {**made, "process": os.getpid()} if piece.get("process") else made


def refuse(piece):
    content_key({1: 2})


def divide(piece):
    return {"quotient": 1 / 0}


def die(piece):
    os.kill(os.getpid(), 9)


def sleep(piece):
    (Path(piece["log"]) / f"{os.getpid()}.pid").touch()
    time.sleep(60)
    return {}
'''


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A module of work that worker processes can import too."""
    (tmp_path / "toy_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(pieces, "source_key", lambda module: "one version of the code")
    import toy_work

    yield toy_work
    pieces.stop_workers()  # the next test's workers look for their module in another folder
    sys.modules.pop("toy_work")


@pytest.fixture
def run(work, tmp_path):
    """Run the squares of some numbers."""

    def call(numbers, store="cells", workers=1, **more):
        todo = [{"x": x, "log": str(tmp_path), **more} for x in numbers]
        return pieces.run_pieces(work.square, todo, Store(tmp_path / store), kind="toy", workers=workers)

    call.store = Store(tmp_path / "cells")
    return call


def calls(tmp_path):
    """Return the numbers worked on, in order."""
    return [int(line) for line in (tmp_path / "calls").read_text().split()]


def test_results_come_in_order_with_their_time(run):
    found = run([3, 1, 2])
    assert [made["square"] for made in found] == [9, 1, 4]
    assert all(made["seconds"] >= 0 for made in found)


def test_work_gets_its_settings_and_nothing_else(run):
    assert run([3])[0]["names"] == ["log", "x"]


def test_equal_pieces_are_computed_once(run, tmp_path):
    assert [made["square"] for made in run([3, 3, 2, 3])] == [9, 9, 4, 9]
    assert calls(tmp_path) == [3, 2]


def test_finished_pieces_are_not_repeated(run, tmp_path):
    first = run([1, 2])
    assert run([2, 1, 5])[:2] == first[::-1]
    assert calls(tmp_path) == [1, 2, 5]


def test_other_code_is_other_work(run, tmp_path, monkeypatch):
    run([1])
    monkeypatch.setattr(pieces, "source_key", lambda module: "another version")
    run([1])
    assert calls(tmp_path) == [1, 1]


def test_two_workers_give_the_results_of_one(run, tmp_path):
    alone, beside = run(range(5), "one"), run(range(5), "two", workers=2)
    plain = [{name: value for name, value in made.items() if name != "seconds"} for made in alone]
    assert plain == [{name: value for name, value in made.items() if name != "seconds"} for made in beside]
    assert {made["threads"] for made in beside} == {1}
    assert sorted(calls(tmp_path)) == sorted([*range(5)] * 2)


@pytest.fixture(params=["forked", "started anew"])
def kind_of_workers(request, monkeypatch):
    """Workers forked from a server, and those of platforms that cannot fork safely."""
    pieces.stop_workers()
    if request.param == "started anew":
        monkeypatch.setattr(workers.forks, "available", lambda: False)
    elif not workers.forks.available():
        pytest.skip("this platform has no fork server")


@pytest.mark.usefixtures("kind_of_workers")
def test_workers_stay_for_the_next_sweep_and_end_at_an_error_which_is_the_callers(run, tmp_path):
    run([1, 2], workers=2, process=True)
    run([3, 4, 5, 6], workers=2, process=True)
    workers = {made["process"] for made in run(range(1, 7), workers=2, process=True)}
    assert len(workers) <= 2 and os.getpid() not in workers
    with pytest.raises(KeyboardInterrupt):
        run([7, 8, 9], workers=2, fails=8)
    wait_for(lambda: not any(map(running, workers)), 20)


def test_a_refusal_in_a_worker_is_told_without_the_workers_traceback(run, work):
    with pytest.raises(ArtifactError, match="cannot be keyed") as caught:
        pieces.run_pieces(work.refuse, [{"x": 1}, {"x": 2}], run.store, kind="toy", workers=2)
    assert caught.value.__cause__ is None
    with pytest.raises(ZeroDivisionError) as caught:
        pieces.run_pieces(work.divide, [{"x": 1}, {"x": 2}], run.store, kind="toy", workers=2)
    assert "in divide" in str(caught.value.__cause__)


def test_an_answer_that_cannot_be_sent_is_no_silence():
    made = workers.start_workers(1, __name__)
    with pytest.raises(RuntimeError, match="cannot be sent"):
        made.submit(threading.Lock).result(timeout=60)
    made.shutdown()


def test_fewer_workers_than_none_are_refused(run):
    with pytest.raises(ValueError, match="workers must be 0 .* or a number of processes, not -1"):
        run([1, 2], workers=-1)


def test_a_killed_worker_is_told_with_the_cure_and_what_was_done_is_kept(run, work, tmp_path):
    run([1])
    todo = [{"x": x, "log": str(tmp_path)} for x in (1, 2, 3)]
    with pytest.raises(ArtifactError, match="a worker process was killed.*run the same command again"):
        pieces.run_pieces(work.die, todo, Store(tmp_path / "cells"), kind="toy", workers=2)
    assert [made["square"] for made in run([1, 2], workers=2)] == [1, 4]
    assert calls(tmp_path).count(1) == 1


def test_a_worker_that_finds_edited_code_refuses_to_work(run, monkeypatch):
    monkeypatch.setattr(pieces, "loaded_code", lambda: "the code before the edit")
    with pytest.raises(ArtifactError, match="edited while it ran"):
        run([1, 2], workers=2)


def test_no_more_workers_than_this_process_has_cores(monkeypatch):
    monkeypatch.setattr(pieces.os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert pieces.usable_cores() == 1
    monkeypatch.delattr(pieces.os, "sched_getaffinity")
    assert pieces.usable_cores() == os.cpu_count()


def test_the_caller_keeps_its_threads(run):
    import torch

    before = torch.get_num_threads()
    run([1])
    assert torch.get_num_threads() == before


def test_an_interrupted_sweep_goes_on_where_it_was(run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run([1, 2, 3, 4], fails=3)
    (tmp_path / "calls").unlink()
    with pytest.raises(KeyboardInterrupt):
        run([1, 2, 3, 4], fails=3)
    assert calls(tmp_path) == [3]


def test_a_damaged_result_is_refused_with_the_cure(run, tmp_path):
    run([1])
    (file,) = (tmp_path / "cells" / "toy").iterdir()
    file.write_text(file.read_text()[:-20])
    with pytest.raises(ArtifactError, match="delete it and run the same command again"):
        run([1])


def test_a_progress_bar_counts_what_is_left(run, work, tmp_path, monkeypatch):
    import contextlib

    shown = []

    @contextlib.contextmanager
    def bar(total, label):
        shown.append((label, total))
        yield pieces.quiet().__enter__()

    monkeypatch.setattr(pieces, "bar", bar)
    todo = [{"x": x, "log": str(tmp_path)} for x in range(4)]
    run([0])
    pieces.run_pieces(work.square, todo, Store(tmp_path / "cells"), kind="toy", workers=1, label="squares")
    assert shown == [("squares", 3)]


KILLED = """
import sys

sys.path.insert(0, {folder!r})
import toy_work
from helpers.work import pieces
from helpers.work.artifacts import Store

pieces.source_key = lambda module: "code"
if __name__ == "__main__":
    todo = [{{"x": x, "log": {folder!r}}} for x in range(4)]
    pieces.run_pieces(toy_work.sleep, todo, Store({folder!r} + "/cells"), kind="toy", workers=2)
"""


def running(pid):
    """Whether a process exists and has not ended."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def wait_for(what, seconds):
    """Wait until a condition holds; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc to see processes (Linux)")
def test_workers_end_when_their_parent_is_killed(work, tmp_path):
    script = tmp_path / "main.py"
    script.write_text(KILLED.format(folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2, 60)
        workers = [int(file.stem) for file in tmp_path.glob("*.pid")]
        assert all(map(running, workers))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not any(map(running, workers)), 15)
