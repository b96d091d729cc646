"""A cluster gives what one process gives, and a lost worker costs its own pieces only."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.work import cluster, errands, pieces
from helpers.work.artifacts import ArtifactError, Store
from helpers.work.elsewhere import at_hand, fetch_with

distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install -e '.[cluster]')")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own are not ours to mend

WORK = '''
"""Pieces of work that note each time they are done, and read and leave files."""

import os
import time
from pathlib import Path

import torch

from helpers.work.artifacts import Store, write_text
from helpers.work.elsewhere import at_hand

STORE = Store(Path("run/cells"))


def noted(piece):
    with open(Path(piece["log"], "calls"), "a") as log:
        log.write(f"{piece['x']}\\n")


def square(piece):
    noted(piece)
    return {"square": piece["x"] ** 2, "threads": torch.get_num_threads(), "process": os.getpid()}


def die_once(piece):
    noted(piece)
    mark = Path(piece["log"], "died")
    if piece["x"] == 0 and not mark.exists():
        mark.touch()
        time.sleep(1)
        os.kill(os.getpid(), 9)
    return {"x": piece["x"]}


def teach(piece):
    path = STORE.path("teacher", str(piece["x"]), ".txt")
    if not path.exists():
        noted(piece)
        write_text(path, f"teacher {piece['x']}")
    return {"read": path.read_text(), "folder": str(Path.cwd())}


def read_base(piece):
    base = at_hand(Path("run/bases/nano.txt"))
    return {"base": base.read_text() if base.exists() else "", "time": piece["x"]}


def refuse(piece):
    raise ValueError(f"no piece {piece['x']}")
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a module of work, on the path of workers too."""
    made = tmp_path_factory.mktemp("cluster")
    (made / "far_work.py").write_text(WORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(made), os.environ.get("PYTHONPATH", "")]))
        yield made


@pytest.fixture(scope="module")
def client(folder):
    """A cluster of two workers on this machine."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(folder)}
    with distributed.LocalCluster(**settings) as made, distributed.Client(made, set_as_default=False) as connected:
        yield connected


@pytest.fixture
def sweep(client, tmp_path, monkeypatch):
    """Run pieces of a function of the module of work in a new folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "source_key", lambda module: "one version of the code")
    import far_work

    def run(work, numbers, client=client):
        todo = [{"x": x, "log": str(tmp_path)} for x in numbers]
        function = getattr(far_work, work)
        return pieces.run_pieces(function, todo, Store(Path("run/cells")), kind=work, workers=1, client=client)

    return run


def calls():
    """Return the numbers worked on, ascending."""
    return sorted(int(line) for line in Path("calls").read_text().split())


def test_results_come_in_order_from_other_processes_and_are_stored_here(sweep):
    found = sweep("square", [3, 1, 2, 3])
    assert [made["square"] for made in found] == [9, 1, 4, 9]
    assert os.getpid() not in {made["process"] for made in found} and {made["threads"] for made in found} == {1}
    assert sweep("square", [1, 2, 3], client=None) == [found[1], found[2], found[0]]
    assert calls() == [1, 2, 3]


def test_a_lost_worker_costs_its_own_piece_only(sweep):
    assert [made["x"] for made in sweep("die_once", range(6))] == list(range(6))
    assert calls() == [0, 0, 1, 2, 3, 4, 5]


def test_what_a_piece_leaves_comes_to_the_caller_and_goes_to_who_looks_for_it(sweep, client):
    (made,) = sweep("teach", [7])
    assert Path("run/cells/teacher/7.txt").read_text() == "teacher 7"
    assert not Path(made["folder"]).is_relative_to(Path.cwd())
    for worker in client.scheduler_info()["workers"]:
        far = client.submit(errands.do, _errand(client, sweep, 7), workers=[worker], pure=False).result
        with cluster._serving(client):
            assert far()[0]["read"] == "teacher 7"
    assert calls() == [7]


def _errand(client, sweep, x):
    import far_work

    return cluster._errand(client, far_work.teach, {"piece": {"x": x, "log": str(Path.cwd())}})


def test_a_base_is_what_it_is_at_the_callers(sweep):
    base = Path("run/bases/nano.txt")
    found = []
    for number, text in enumerate(["first", "second", ""]):
        base.parent.mkdir(parents=True, exist_ok=True)
        base.write_text(text) if text else base.unlink()
        found += [made["base"] for made in sweep("read_base", [2 * number, 2 * number + 1])]
    assert found == ["first", "first", "second", "second", "", ""]


def test_an_error_in_a_worker_is_the_callers(sweep):
    with pytest.raises(ValueError, match="no piece [45]"):  # whichever worker fails first
        sweep("refuse", [4, 5])


def test_a_folder_that_others_do_not_have_is_refused(client, tmp_path):
    with pytest.raises(ArtifactError, match="give run_dir as a path from the current folder"):
        pieces.run_pieces(errands.sha256, [{"x": 1}], Store(tmp_path), kind="toy", client=client)


def test_a_worker_that_would_give_other_results_is_refused(sweep, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ArtifactError, match="has another version of the book"):
        patch.setattr(cluster, "loaded_code", lambda: "another version")
        sweep("square", [1])
    with monkeypatch.context() as patch, pytest.raises(ArtifactError, match="has torch .*; install torch 1.0 there"):
        patch.setattr(cluster, "library_versions", lambda: {"torch": "1.0"})
        sweep("square", [1])


def test_a_worker_that_takes_several_pieces_at_once_is_refused(client, sweep):
    worker = SimpleNamespace(address="tcp://far:1", state=SimpleNamespace(nthreads=2))
    with pytest.raises(ArtifactError, match="takes 2 pieces at once; start it with `--nthreads 1`"):
        errands._require_alike(_errand(client, sweep, 1), worker)


@pytest.mark.parametrize("own, card, wanted, chosen", [
    ("", False, "cpu", "cpu"), ("", True, "cpu", "cpu"), ("", True, "auto", "cuda"), ("", False, "auto", "cpu"),
    ("", True, "cuda", "cuda"), ("cpu", True, "cuda", "cpu"), ("cuda", True, "cpu", "cuda"),
])  # fmt: skip
def test_a_worker_computes_where_the_profile_or_its_owner_says(monkeypatch, own, card, wanted, chosen):
    import torch

    monkeypatch.setenv(errands.DEVICE_VARIABLE, own)
    monkeypatch.setattr(errands, "_OWN_DEVICE", own)
    monkeypatch.setattr(errands, "_device", [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    errands._choose_device(wanted)
    assert os.environ[errands.DEVICE_VARIABLE] == chosen


def test_a_worker_without_a_card_or_with_models_on_another_device_is_refused(monkeypatch):
    import torch

    monkeypatch.setattr(errands, "_OWN_DEVICE", "")
    monkeypatch.setattr(errands, "_device", ["cuda"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ArtifactError, match="this profile needs CUDA cards, and a worker has none"):
        errands._choose_device("cuda")
    with pytest.raises(ArtifactError, match="computed on cuda before, and this run wants cpu; start it anew"):
        errands._choose_device("cpu")


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 1)
    with pytest.raises(ArtifactError, match="no Dask scheduler answers at tcp://127.0.0.1:9 "):
        cluster.connect("tcp://127.0.0.1:9")


def test_files_outside_the_run_are_not_given_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("inside").write_text("x")
    assert cluster.answer("inside", "") == ["here", b"x"]
    assert cluster.answer("inside", errands.sha256(b"x")) == ["same", b""]
    for name in (str(tmp_path / "inside"), f"../{tmp_path.name}/inside", "nothing"):
        assert cluster.answer(name, "") == ["absent", b""]


def test_on_one_machine_nothing_is_fetched():
    asked = []
    assert at_hand(Path("x")) == Path("x")
    fetch_with(asked.append)
    at_hand(Path("y"))
    fetch_with(None)
    at_hand(Path("z"))
    assert asked == [Path("y")]
