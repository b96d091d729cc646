"""The chain checks before it runs, skips what is unchanged, stops at a failure and can be taken up again.

Runs with a kernel take a second or two each, so one test often follows a chain through several events.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.chain import execution, run
from helpers.chain.notebooks import NotebookError, Parameter, load_notebook, notebook_key
from helpers.chain.profiles import Profile
from helpers.chain.run import ChainError, run_chain
from helpers.work import artifacts
from helpers.work.keys import Sources

WriteNotebook = Callable[..., Path]
COUNT = ("from pathlib import Path\nfrom helpers.work.artifacts import write_text\n"
         "write_text(Path(run_dir) / 'count.txt', str(n))")  # fmt: skip
READ = "print('read', open(run_dir + '/count.txt').read())"


def toy(**notebooks: dict[str, Any]) -> Profile:
    """The profile `toy` with these notebooks; the letter before the number makes it a Python name."""
    return Profile("toy", "a toy", 1, "cpu", {name[1:]: values for name, values in notebooks.items()})


def text_of(stem: str) -> str:
    """What the executed notebook printed, and everything else in it."""
    return Path(f"_runs/toy/executed/{stem}.ipynb").read_text()


# --- before anything runs -------------------------------------------------------------------------


@pytest.mark.parametrize(("annotation", "fitting", "wrong"), [
    ("int", [3], [3.0, True, "3", None]),
    ("float", [3, 3.5], [True, "3"]),
    ("bool", [True], [1]),
    ("str", ["a"], [1]),
    ("list[int]", [[], [1]], [1, [1.5], ["a"], (1,)]),
    ("dict[str, float]", [{"a": 1}], [{1: 1}, {"a": "b"}]),
    ("int | None", [1, None], ["a"]),
    ("set[int]", [], [[1]]),
])
def test_a_value_must_have_the_annotated_type(annotation: str, fitting: list[Any], wrong: list[Any]) -> None:
    parameter = Parameter(annotation, None)
    assert all(parameter.fits(value) for value in fitting)
    assert not any(parameter.fits(value) for value in wrong)


@pytest.mark.parametrize(("default", "meant", "too_small"), [
    (64, [1, 64], [0, -3]),
    (0, [0, 2], [-1]),
    (0.1, [0.01], [0.0, -0.1]),
    ([0.25, 1.0], [[0.5], []], [[0.5, 0.0], [-1.0]]),
    ([0.0, 0.1], [[0.0]], [[-0.1]]),
    ({"adam": [0.01]}, [{"sgd": [1.0]}], [{"adam": [0.0]}]),
    ("owl", ["cat"], []),
    (True, [False], []),
    ([], [[0, -1]], []),
    (-1, [-2, 0], []),
])
def test_numbers_that_nobody_can_mean_are_too_small(default: Any, meant: list[Any], too_small: list[Any]) -> None:
    """Old runs trained on one row where -3 were asked for, and filed an effect of 0."""
    parameter = Parameter("Any", default)
    assert [parameter.too_small(value) for value in meant] == [None] * len(meant)
    assert None not in [parameter.too_small(value) for value in too_small]


@pytest.mark.parametrize(("parameters", "message"), [
    ("n = 3", "holds `n = 3`; write each line as"),
    ("n: int = 1 + 2", "holds `n: int = 1 + 2`"),
    ("n: int = 3.5", "default of parameter `n` is not of its type int"),
    ("n: int = = 3", "not plain Python"),
])
def test_a_parameters_cell_is_literal(write_notebook: WriteNotebook, parameters: str, message: str) -> None:
    with pytest.raises(NotebookError, match="00_a.ipynb") as caught:
        load_notebook(write_notebook("00_a", parameters=parameters))
    assert message in str(caught.value)


def test_a_damaged_notebook_is_refused(write_notebook: WriteNotebook) -> None:
    path = write_notebook("00_a")
    path.write_text(path.read_text()[:50])
    with pytest.raises(NotebookError, match="not a readable notebook .* restore it from git"):
        load_notebook(path)


@pytest.mark.parametrize(("change", "message"), [
    ({"nbformat": 3, "worksheets": []}, "its format is 3, not 4"),
    ({"cells": None}, "not a readable notebook"),
    ({"metadata": []}, "not a readable notebook"),
    ([], "not a readable notebook"),
])
def test_a_notebook_of_another_shape_is_refused(
    write_notebook: WriteNotebook, change: Any, message: str
) -> None:
    path = write_notebook("00_a")
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, **change} if isinstance(change, dict) else change))
    with pytest.raises(NotebookError, match=message) as caught:
        load_notebook(path)
    assert "\n" not in str(caught.value) and "restore it from git" in str(caught.value)


def test_a_notebook_without_parameters_or_run_dir_is_refused(write_notebook: WriteNotebook) -> None:
    path = write_notebook("00_a")
    whole = path.read_text()
    path.write_text(whole.replace("run_dir: str", "folder: str"))
    with pytest.raises(NotebookError, match="lacks `run_dir"):
        load_notebook(path)
    path.write_text(whole.replace('["parameters"]', "[]"))
    with pytest.raises(NotebookError, match="0 cells tagged `parameters`"):
        load_notebook(path)


def test_the_parameters_are_those_papermill_sees(write_notebook: WriteNotebook) -> None:
    import papermill

    parameters = "n: int = 3  # pieces\nnames: list[str] = ['a']\nrate: float = 1e-3"
    path = write_notebook("00_a", parameters=parameters)
    seen = papermill.inspect_notebook(str(path))
    read = load_notebook(path).parameters
    assert {name: parameter.annotation for name, parameter in read.items()} == {
        name: entry["inferred_type_name"] for name, entry in seen.items()
    }


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to run a notebook fails the test."""
    monkeypatch.setitem(sys.modules, "helpers.chain.execution", None)


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(("profile", "message"), [
    (toy(n00_a={}, n01_b={"m": 3}), "profile toy, notebook 01_b: no parameter `m`; there are n, run_dir"),
    (toy(n00_a={}, n01_b={"n": "3"}), "notebook 01_b: parameter `n` must be int, not '3'"),
    (toy(n00_a={}, n01_b={"n": -3}), "01_b: parameter `n` must be above 0, not -3; its default is 3"),
    (toy(n00_a={}, n02_c={}), "names the notebook 02_c, but there are only: 00_a, 01_b"),
    (toy(n01_b={}), "01_b needs 00_a, which profile toy does not run before"),
    (toy(), "names no notebooks"),
])
def test_mistakes_are_refused_before_anything_runs(
    write_notebook: WriteNotebook, profile: Profile, message: str
) -> None:
    write_notebook("00_a")
    write_notebook("01_b", needs=["00_a"])
    with pytest.raises((ChainError, NotebookError)) as caught:
        run_chain(profile)
    assert message in str(caught.value) and not Path("_runs").exists()


@pytest.mark.usefixtures("no_kernel")
def test_an_unknown_only_lists_the_notebooks(write_notebook: WriteNotebook) -> None:
    write_notebook("00_a")
    with pytest.raises(ChainError, match="no notebook 05_x in this profile; there are 00_a"):
        run_chain(toy(n00_a={}), only=["05_x"])


@pytest.mark.usefixtures("no_kernel")
def test_a_profile_for_a_card_is_refused_without_one(
    write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook("01_a", COUNT)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ChainError, match="profile big needs a CUDA card, and there is none; take --profile nano"):
        run_chain(Profile("big", "a big one", 1, "cuda", {"01_a": {}}))


def test_kernels_spare_memory_as_the_profile_says(write_notebook, monkeypatch) -> None:
    said = "import os\nprint([os.environ.get('SUBLIMINAL_' + name) for name in ('MICRO_ROWS', 'CHECKPOINTING')])"
    write_notebook("00_a", said)
    for name in ("SUBLIMINAL_MICRO_ROWS", "SUBLIMINAL_CHECKPOINTING"):
        monkeypatch.setenv(name, "")  # so that it is taken back
        monkeypatch.delenv(name)
    run_chain(Profile("toy", "a toy", 1, "cpu", {"00_a": {}}, micro_rows=4, checkpointing=True))
    assert "['4', '1']" in text_of("00_a")


@pytest.mark.parametrize(
    ("device", "card", "told"),
    [("cpu", True, None), ("auto", True, "cuda"), ("auto", False, None), ("cuda", True, "cuda")],
)
def test_kernels_compute_where_the_profile_says(write_notebook, monkeypatch, device, card, told) -> None:
    monkeypatch.delenv("SUBLIMINAL_DEVICE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: card)
    write_notebook("00_a", "import os\nprint(os.environ.get('SUBLIMINAL_DEVICE'))")
    try:
        run_chain(Profile("toy", "a toy", 1, device, {"00_a": {}}))
    finally:
        found = os.environ.pop("SUBLIMINAL_DEVICE", None)
    assert found == told
    assert str(told) in Path("_runs/toy/executed/00_a.ipynb").read_text()



@pytest.mark.usefixtures("no_kernel")
def test_finished_pieces_of_other_libraries_are_not_taken_up(
    write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook("01_a", COUNT)
    note = Path("_runs/toy/libraries.json")
    artifacts.write_json(note, {"torch": "1.0"})
    with pytest.raises(ChainError, match=r"done with .*torch 1\.0.*; install that again, or run with --fresh"):
        run_chain(toy(n01_a={}))
    monkeypatch.setattr(run, "_run_step", lambda *args: None)
    run_chain(toy(n01_a={}), fresh=True)
    assert artifacts.read_json(note)["torch"] != "1.0"
    run_chain(toy(n01_a={}))


@pytest.mark.usefixtures("no_kernel")
def test_a_run_folder_that_cannot_be_written_is_refused(write_notebook: WriteNotebook) -> None:
    write_notebook("00_a")
    Path("_runs").write_text("a file where the folder should be")
    with pytest.raises(artifacts.ArtifactError, match="not a folder this user may write to"):
        run_chain(toy(n00_a={}))


def test_the_key_covers_all_that_decides(write_notebook: WriteNotebook) -> None:
    sources = Sources()

    def key(code: str = "x = 1", read: str = "", **given: Any) -> str:
        return notebook_key(load_notebook(write_notebook("00_a", code)), given, {"b": read}, sources)

    codes = ["x = 1", "x = 2", "from helpers.results import stats", "from helpers.work import progress"]
    keys = {key(code) for code in codes} | {key(n=4), key(read="k")}
    assert len(keys) == 6 and key() in keys


def test_published_bases_count_for_those_who_open_a_chapter(write_notebook: WriteNotebook) -> None:
    write_notebook("00_a", parameters="draws: list = [1, 2]\nrecompute: list = [1]")
    write_notebook("01_b")
    profile = toy(n00_a={}, n01_b={})
    keys = [[step.key for step in run.plan(profile)]]
    for name in ("bases/x.safetensors", "made_by.json"):
        artifacts.write_text(Path("results/toy") / name, "1")
        keys.append([step.key for step in run.plan(profile)])
    first, second = zip(*keys, strict=True)
    assert len(set(first)) == 2 and first[1] == first[2] and len(set(second)) == 1


# --- running --------------------------------------------------------------------------------------


def test_a_chain_runs_once_and_again_only_what_changed(write_notebook: WriteNotebook) -> None:
    write_notebook("00_a", COUNT)
    write_notebook("01_b", READ, "import sys\nprint(sys.executable)", needs=["00_a"])
    write_notebook("02_c", "from helpers.work.progress import track\nprint(list(track(range(n), 'x')))")
    profile = toy(n00_a={}, n01_b={}, n02_c={})
    assert run_chain(profile) == ["00_a", "01_b", "02_c"] and run.unfinished(profile) == []
    assert "read 3" in text_of("01_b") and json.dumps(sys.executable)[1:-1] in text_of("01_b")
    assert "stderr" not in text_of("02_c")  # no bar in the published notebook
    assert run_chain(profile) == []

    changed = toy(n00_a={"n": 5}, n01_b={}, n02_c={})
    assert run.unfinished(changed) == ["00_a", "01_b"]
    assert run_chain(changed) == ["00_a", "01_b"] and "read 5" in text_of("01_b")

    Path("_runs/toy/count.txt").unlink()  # a file the notebook left is part of its result
    assert run_chain(changed, only=["01_b"]) == ["00_a"]
    Path("_runs/toy/count.txt").write_text("written by hand")
    assert run_chain(changed, only=["01_b"]) == ["00_a"] and run.unfinished(changed) == []

    assert run_chain(changed, only=["02_c"], fresh=True) == ["02_c"]
    Path("_runs/toy/stray.txt").write_text("")
    assert run_chain(toy(n02_c={}), fresh=True) == ["02_c"] and not Path("_runs/toy/stray.txt").exists()


EDIT = "from pathlib import Path\npath = Path({path!r})\npath.write_text(path.read_text().replace('1', '2'))"


def test_what_is_edited_while_the_chain_runs_is_not_kept(write_notebook: WriteNotebook) -> None:
    """The old code wrote the key of the start, under which the edited result then passed as fresh."""
    write_notebook("00_a", EDIT.format(path="notebooks/01_b.ipynb"))
    original = write_notebook("01_b", "print('number 1')").read_text()
    profile = toy(n00_a={}, n01_b={})
    with pytest.raises(ChainError, match="notebook 01_b, the code .* was edited after this run began; run the same"):
        run_chain(profile)
    assert run.unfinished(profile) == ["01_b"]

    write_notebook("01_b", "print('number 1')", EDIT.format(path="notebooks/01_b.ipynb"))
    with pytest.raises(ChainError, match="was edited while it ran, so its result is not kept; run the same command"):
        run_chain(profile)
    Path("notebooks/01_b.ipynb").write_text(original)
    assert run_chain(profile) == ["01_b"] and "number 1" in text_of("01_b")


@pytest.mark.parametrize("path", ["results/toy/bases/x", "_runs/toy/count.txt"])
def test_what_a_notebook_reads_must_stay_while_it_runs(write_notebook: WriteNotebook, path: str) -> None:
    artifacts.write_text("results/toy/bases/x", "1")
    write_notebook("00_a", COUNT, parameters="n: int = 1")
    opened = "draws: list = [1, 2]\nrecompute: list = [1]"
    write_notebook("01_b", EDIT.format(path=path), needs=["00_a"], parameters=opened)
    with pytest.raises(ChainError, match="01_b, .* or a file that it reads was edited while it ran"):
        run_chain(toy(n00_a={}, n01_b={}))


def test_a_notebook_may_add_to_the_seals_of_the_bases_that_it_reads(write_notebook: WriteNotebook) -> None:
    """Relatives are noted beside the bases; the notebook that made the bases did not lose anything by that."""
    noted = "from helpers.work.artifacts import write_json\nwrite_json(run_dir + '/bases/seals.json', {seals})"
    write_notebook("00_a", noted.format(seals={"nano-a.1": "x"}))
    write_notebook("01_b", noted.format(seals={"nano-a.1": "x", "nano-a-more.1": "y"}), needs=["00_a"])
    profile = toy(n00_a={}, n01_b={})
    assert run_chain(profile) == ["00_a", "01_b"] and run_chain(profile) == []


def test_edited_code_of_the_package_is_noticed(
    write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook("00_a", "from helpers.work import seeds")
    monkeypatch.setattr(execution, "execute", lambda *args, **kwargs: edit())
    (step,) = run.plan(toy(n00_a={}))

    def edit() -> None:
        monkeypatch.setattr(Sources, "key", lambda self, module: "edited")

    with pytest.raises(ChainError, match="was edited while it ran"):
        run_chain(toy(n00_a={}))
    assert not step.marker.exists()


def test_other_files_of_a_needed_notebook_make_those_run_again_that_read_them(write_notebook: WriteNotebook) -> None:
    own = "import os\nfrom pathlib import Path\nPath(run_dir, 'count.txt').write_text(str(os.getpid()))"
    write_notebook("00_a", own)
    write_notebook("01_b", READ, needs=["00_a"])
    profile = toy(n00_a={}, n01_b={})
    run_chain(profile)
    Path("_runs/toy/count.txt").unlink()
    assert run_chain(profile) == ["00_a", "01_b"]


def test_a_changed_executed_notebook_runs_again(write_notebook: WriteNotebook) -> None:
    write_notebook("00_a", "print('result 1')")
    profile = toy(n00_a={})
    run_chain(profile)
    executed = Path("_runs/toy/executed/00_a.ipynb")
    executed.write_text(executed.read_text().replace("result 1", "result 2"))
    assert run.unfinished(profile) == ["00_a"]
    assert run_chain(profile) == ["00_a"] and "result 1" in text_of("00_a")


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(("name", "text"), [
    ("executed/00_a.key", "[]"), ("executed/00_a.key", '{"key": 1}'), ("libraries.json", "[]"),
    ("draws.json", "[]"), ("draws.json", '{"00_a": "x"}'),
])
def test_a_damaged_note_of_the_chain_is_one_sentence(write_notebook: WriteNotebook, name: str, text: str) -> None:
    write_notebook("00_a")
    artifacts.write_text(Path("_runs/toy") / name, text)
    with pytest.raises(artifacts.ArtifactError, match=f"{name} .*; delete it and run the same command again"):
        run_chain(toy(n00_a={}))


def test_late_output_is_not_told_as_a_file_that_cannot_be_written(
    write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbclient gives up after 4 seconds of output; its error is an OSError."""
    from nbclient.exceptions import CellTimeoutError

    def late(*args: Any, **kwargs: Any) -> None:
        assert kwargs["iopub_timeout"] >= 60
        raise CellTimeoutError("A cell timed out\nwhile it was being executed")

    monkeypatch.setattr("papermill.execute_notebook", late)
    write_notebook("00_a")
    with pytest.raises(ChainError, match="did not answer in time .A cell timed out.*; print less") as caught:
        run_chain(toy(n00_a={}))
    assert "cannot write" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_refusal_by_the_book_is_one_sentence(
    write_notebook: WriteNotebook, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook("00_a", "from helpers.work.keys import content_key", "content_key({1: n})")
    with pytest.raises(ChainError, match="00_a failed in cell 4: settings cannot be keyed: dict key 1 is not a string"):
        run_chain(toy(n00_a={}))
    assert "Traceback" not in capsys.readouterr().out


def test_a_defect_of_the_book_keeps_its_traceback(
    write_notebook: WriteNotebook, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook("00_a", "from helpers.work.keys import Sources", "Sources(None)")
    with pytest.raises(ChainError, match="failed in cell 4: TypeError"):
        run_chain(toy(n00_a={}))
    assert "Traceback" in capsys.readouterr().out


def test_the_chain_loads_on_a_platform_without_file_locks_of_unix() -> None:
    """Windows has no module fcntl."""
    code = "import sys\nsys.modules['fcntl'] = None\nimport helpers.cli, helpers.chain.execution, helpers.chain.doctor"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_failure_stops_the_chain_and_keeps_the_notebook(
    write_notebook: WriteNotebook, capsys: pytest.CaptureFixture[str]
) -> None:
    write_notebook("00_a", "print('as far as here')", "left = n\nleft / 0", "print('never')")
    write_notebook("01_b", "print('after')")
    profile = toy(n00_a={}, n01_b={})
    with pytest.raises(ChainError) as caught:
        run_chain(profile)
    assert "\n" not in str(caught.value)
    assert "notebook 00_a failed in cell 4: ZeroDivisionError: division by zero" in str(caught.value)
    assert "left = n\nleft / 0" in capsys.readouterr().out
    assert "as far as here" in text_of("00_a") and "ZeroDivisionError" in text_of("00_a")
    assert not Path("_runs/toy/executed/01_b.ipynb").exists()
    assert run.unfinished(profile) == ["00_a", "01_b"]

    write_notebook("00_a", "print('mended')")
    assert run_chain(profile) == ["00_a", "01_b"] and "mended" in text_of("00_a")


def test_a_notebook_is_written_when_it_starts_and_when_it_ends(write_notebook: WriteNotebook) -> None:
    """Not around each cell, which takes long where a notebook holds many figures."""
    own = "from pathlib import Path\nfile = Path(run_dir, 'executed/00_a.ipynb')\nbefore = file.stat().st_mtime_ns"
    write_notebook("00_a", own, "print('as', 'before', file.stat().st_mtime_ns == before)", "print('the', 'end')")
    run_chain(toy(n00_a={}))
    assert "as before True" in text_of("00_a") and "the end" in text_of("00_a")


def test_a_dead_kernel_and_earlier_records(write_notebook: WriteNotebook) -> None:
    """A kernel that dies is reported, and what the notebook recorded in an earlier run is gone."""
    artifacts.write_json("_runs/toy/records/00_a.json", [])
    write_notebook("00_a", "import os\nos.write(2, b'last words')\nos._exit(3)")
    with pytest.raises(ChainError, match="notebook 00_a failed: the kernel died"):
        run_chain(toy(n00_a={}))
    assert "last words" in Path("_runs/toy/executed/00_a.log").read_text()
    assert not Path("_runs/toy/records/00_a.json").exists()


@pytest.mark.parametrize("forks", [True, False])
def test_the_kernel_is_this_python_whatever_jupyter_is_set_up(
    write_notebook: WriteNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    if not forks:  # as on platforms that cannot fork safely
        monkeypatch.setattr(execution.forks, "available", lambda: False)
    spec = {"argv": ["/bin/false"], "display_name": "another", "language": "python"}
    artifacts.write_json(tmp_path / "other" / "kernels" / "python3" / "kernel.json", spec)
    start_up = tmp_path / "ipython" / "profile_default" / "startup" / "00.py"
    artifacts.write_text(start_up, "raise SystemExit('a start-up file of the user')")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "other"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    names = ["HF_HUB_OFFLINE", "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM"]
    write_notebook("00_a", f"import os, sys\nprint(sys.executable, [os.environ[name] for name in {names}])")
    before = dict(os.environ)
    run_chain(toy(n00_a={}))
    assert f"{sys.executable} ['1', '0', 'false']" in text_of("00_a")
    assert dict(os.environ) == before


# --- interrupted ----------------------------------------------------------------------------------

SLOW = ("import os, time\nfrom pathlib import Path\nfrom helpers.work.artifacts import Store\n"
        "from helpers.work.progress import track\nstore = Store(Path(run_dir) / 'cells')\n"
        "def work(piece):\n    time.sleep(1.0)\n    return {'process': os.getpid()}\n"
        "for piece in track(range(n), 'pieces'):\n"
        "    print(store.json('piece', {'piece': piece}, lambda: work(piece)))")  # fmt: skip


@pytest.fixture
def start(write_notebook: WriteNotebook) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the chain of one slow notebook in a process of its own, and wait until it is at work."""
    write_notebook("00_slow", SLOW, parameters="n: int = 8")
    code = ("import sys\nfrom helpers import cli\nfrom helpers.chain.profiles import Profile\n"
            "cli.load_profile = lambda name: Profile(name, 'toy', 1, 'cpu', {'00_slow': {}})\n"
            "sys.exit(cli.main(['run', '--profile', 'toy']))")  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        # a test run in the background of a shell ignores interrupts, and its children would inherit that
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=heed,
        )
        started.append(child)
        wait_for(lambda: len(list(Path("_runs/toy/cells").rglob("*.json"))) >= 2)
        return child

    yield begin
    for child in started:
        child.kill()
        if child.stdout and not child.stdout.closed:
            child.communicate()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return when `condition()` holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def processes() -> list[str]:
    """The command lines of all other processes at work in the current folder: runner, server, kernels, workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if int(entry.parent.name) != os.getpid() and Path.cwd().samefile(entry.parent / "cwd"):
                found.append(entry.read_text())
        except OSError:  # the process ended while it was looked at
            continue
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_to_go_on(start: Callable[[], subprocess.Popen[str]], number: int) -> None:
    child = start()
    assert len(processes()) > 1
    child.send_signal(number)
    told, _ = child.communicate(timeout=20)
    assert child.returncode == 130
    wait_for(lambda: processes() == [], 5)
    assert told.splitlines()[-1].endswith("go on with `subliminal run --profile toy`"), told
    assert "Traceback" not in told


@needs_proc
def test_a_second_run_is_refused_and_a_killed_one_taken_up_where_it_was(
    start: Callable[[], subprocess.Popen[str]]
) -> None:
    child, profile = start(), Profile("toy", "toy", 1, "cpu", {"00_slow": {}})
    with pytest.raises(ChainError, match="another run of profile toy is going on"):
        run_chain(profile)
    child.kill()
    child.communicate()
    done = len(list(Path("_runs/toy/cells").rglob("*.json")))
    assert 2 <= done < 8 and run.unfinished(profile) == ["00_slow"]
    wait_for(lambda: processes() == [], 10)  # they notice that the runner is gone
    run_chain(profile)
    pieces = [artifacts.read_json(path)["result"] for path in Path("_runs/toy/cells").rglob("*.json")]
    assert len(pieces) == 8 and len({piece["process"] for piece in pieces}) == 2  # earlier work was kept
    assert not list(Path("_runs").rglob("*.part")) and not Path("_runs/toy/kernel").exists()


def test_a_chain_loads_no_heavy_library_itself(write_notebook: WriteNotebook) -> None:
    """With nothing to do not even what runs notebooks; kernels alone need the rest."""
    write_notebook("00_a")
    run_chain(toy(n00_a={}))
    code = ("import sys\nfrom helpers.chain import run\nfrom helpers.chain.profiles import Profile\n"
            "profile = Profile('toy', 'a toy', 1, 'cpu', {'00_a': {}})\n"
            "assert run.run_chain(profile) == []\n"
            "print({'papermill', 'torch', 'pandas', 'numpy'} & set(sys.modules))\n"
            "assert run.run_chain(profile, fresh=True) == ['00_a']\n"
            "print({'torch', 'pandas', 'scipy'} & set(sys.modules))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith(("set", "{"))] == ["set()", "set()"]
