"""The cluster of a run: addresses and files are read, what is wrong is told before anything runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from helpers import cli
from helpers.chain import clusters, run
from helpers.chain.clusters import Cluster, ClusterError, joined, read_cluster
from helpers.chain.profiles import Profile
from helpers.work import cluster
from helpers.work.artifacts import ArtifactError

SHIPPED = sorted((Path(__file__).parents[3] / "clusters").glob("*.yaml"))


def test_an_address_is_taken_as_it_is() -> None:
    assert read_cluster("tcp://10.0.0.5:8786") == Cluster(address="tcp://10.0.0.5:8786")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_files_are_read_and_give_each_worker_one_piece_at_a_time(path: Path) -> None:
    found = read_cluster(str(path))
    assert found.workers > 0 and found.starts.startswith(("dask_jobqueue.", "dask_kubernetes."))
    alone = found.options.get("cores") == found.options.get("processes") == 1
    assert alone or found.options["worker_command"][-2:] == ["--nthreads", "1"]


@pytest.mark.parametrize("text, message", [
    ("class: [", "is not valid YAML"),
    ("class: a.B\nworkers: 1", "must have the fields class, workers, options"),
    ("class: SLURMCluster\nworkers: 1\noptions: {}", "`class` must be a class such as dask_jobqueue.SLURMCluster"),
    ("class: a.B\nworkers: 0\noptions: {}", "`workers` must be a number of workers, not 0"),
    ("class: a.B\nworkers: 1\noptions: [x]", "`options` must map the options of a.B to values"),
])  # fmt: skip
def test_a_mistake_in_a_file_names_the_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ClusterError, match=message):
        read_cluster(str(tmp_path / "own.yaml"))


@pytest.mark.usefixtures("toy_repository")
def test_what_is_no_cluster_is_one_line_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--profile", "smoke", "--cluster", "slurm"]) == 2
    assert "there is no cluster slurm; give tcp://HOST:PORT of a Dask scheduler" in capsys.readouterr().err
    assert not Path("_runs").exists()


def test_a_cluster_that_is_not_installed_or_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterError, match="no_such.Thing cannot be found .*pip install"):
        joined(Cluster(starts="no_such.Thing", workers=1), "cpu").__enter__()
    with pytest.raises(ClusterError, match="did not start .TypeError: .*unexpected.*; mend `options`"):
        joined(Cluster(starts="pathlib.PurePath", workers=1, options={"unexpected": 1}), "cpu").__enter__()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ArtifactError, match="a cluster needs Dask, which is not installed"):
        joined(Cluster(address="tcp://127.0.0.1:9"), "cpu").__enter__()


class Toy:
    """What Dask's classes of clusters have in common."""

    scheduler_address = "tcp://127.0.0.1:9"
    said: list[object] = []

    def __enter__(self) -> Toy:
        return self

    def __exit__(self, *exception: object) -> None:
        self.said.append("over")

    def close(self) -> None:
        """Close nothing."""

    def scale(self, workers: int) -> None:
        """Note how many workers are wanted."""
        self.said.append(workers)


def test_processes_of_a_run_find_its_cluster_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("toy_clusters")
    module.Toy = Toy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_clusters", module)
    monkeypatch.setattr(clusters.cluster, "connect", lambda address: Toy())
    with joined(Cluster(starts="toy_clusters.Toy", workers=3), "auto"):
        found = json.loads(os.environ[cluster.ENVIRONMENT_NAME])
    assert found["address"] == Toy.scheduler_address and found["device"] == "auto"
    assert Toy.said == [3, "over"] and cluster.ENVIRONMENT_NAME not in os.environ
    with joined(None, "cpu"):
        assert cluster.client_of_run() is None


def test_a_cluster_is_joined_only_where_something_is_to_do(
    write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook("01_toy", f"import os\nprint(os.environ.get('{cluster.ENVIRONMENT_NAME}'))")
    profile = Profile("toy", "a toy", 1, "cuda", {"01_toy": {}})  # the workers have cards, this machine needs none
    asked = []
    monkeypatch.setattr(clusters.cluster, "connect", lambda address: asked.append(address) or Toy())
    far = Cluster(address="tcp://127.0.0.1:9")
    assert run.run_chain(profile, cluster=far) == ["01_toy"]
    assert "cuda" in Path("_runs/toy/executed/01_toy.ipynb").read_text()
    assert run.run_chain(profile, cluster=far) == [] and asked == ["tcp://127.0.0.1:9"]
