"""An experiment on a cluster: the tables and pieces of one process, byte for byte, with a worker killed on the way."""

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from helpers.transmission.arms import ARMS
from helpers.transmission.effects import authors_of, run_arms, teach_and_write
from helpers.work import cluster

distributed = pytest.importorskip("distributed", reason="Dask is not installed (pip install -e '.[cluster]')")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own are not ours to mend

RUN, STUDENTS = Path("_runs/toy"), Path("_runs/toy/cells/student")
SOME = [ARMS[name] for name in ("hard.same_init", "soft.same_init")]


@pytest.fixture
def experiment(tmp_path, toy_run, toy_settings, monkeypatch):
    """Run 2 animals x 2 draws in a new folder and return what it leaves: file name -> content without times."""

    def run(name, **changes):
        shutil.copytree(toy_run / "bases", tmp_path / name / RUN / "bases")
        monkeypatch.chdir(tmp_path / name)
        for animal in ("owl", "cat"):
            settings = toy_settings(RUN, trait=animal, draws=(1, 2), other_base="nano-a", **changes)
            asked = authors_of(settings, [("fine-tuned", animal), ("untouched", animal)])
            teach_and_write(settings, asked, f"teachers_{animal}")
            run_arms(settings, SOME, name=f"transmission_{animal}")
        return {path.as_posix(): _content(path) for path in sorted(RUN.rglob("*")) if path.is_file()}

    return run


def _content(path):
    if path.suffix != ".json":
        return path.read_bytes()
    made = json.loads(path.read_text())
    if "result" in made:
        del made["result"]["seconds"], made["sha256"]  # the hash is of the seconds too
    return json.dumps(made, sort_keys=True)


def _finished(dask_scheduler):
    moves = [(key, start, finish) for key, start, finish, *_ in dask_scheduler.transition_log]
    return [key for key, start, finish in moves if (start, finish) == ("processing", "memory") and key[:3] == "do-"]


def _kill_amid(client, done, killed):
    """Kill a worker once some students are back, and note which."""
    while not done.is_set() and (not STUDENTS.exists() or len(list(STUDENTS.iterdir())) < 3):
        time.sleep(0.02)
    worker, process = next(iter(client.run(os.getpid).items()))
    os.kill(process, signal.SIGKILL)
    killed.append(worker)


def test_a_cluster_gives_what_one_process_gives_though_a_worker_dies(experiment, tmp_path, monkeypatch):
    alone = experiment("alone", workers=1)
    returned, keep = Counter(), cluster._keep
    monkeypatch.setattr(cluster, "_keep", lambda files: [returned.update(list(files)), keep(files)])
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    with distributed.LocalCluster(**settings) as made, distributed.Client(made, set_as_default=False) as client:
        monkeypatch.setenv(cluster.ENVIRONMENT_NAME, cluster.described(made.scheduler_address, "cpu"))
        done, killed = threading.Event(), []
        killer = threading.Thread(target=_kill_amid, args=(client, done, killed))
        killer.start()
        far = experiment("far", workers=0)
        done.set()
        killer.join()
        finished = client.run_on_scheduler(_finished)
        cluster.forget_clients()
    assert far == alone
    assert len(killed) == 1
    assert len(finished) - len(set(finished)) <= 1  # a result may have gone with the worker, on its way
    assert len([name for name in returned if "/teacher/" in name]) == 4
    assert [name for name in returned if returned[name] > 1] == []
