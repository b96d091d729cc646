"""The cluster of a run: the address of a Dask scheduler, or a YAML file that says which class of Dask's starts one.

A file names the class, how many workers it shall have, and the options that the class takes; so whatever Dask can start
(SLURM and its like by dask-jobqueue, Kubernetes by dask-kubernetes) needs nothing here.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.work import cluster
from helpers.work.errors import CurableError
from helpers.work.strict_yaml import load_yaml

FIELDS = ("class", "workers", "options")
_ADDRESS = re.compile(r"[a-z]+://\S+:\d+")


class ClusterError(CurableError, ValueError):
    """A cluster cannot be used as named; the message says what to change."""


@dataclass(frozen=True)
class Cluster:
    """Where pieces are computed: at the scheduler ``address``, or on what ``starts`` makes with ``options``."""

    address: str = ""
    starts: str = ""  # a class, as module.name
    workers: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def read_cluster(where: str) -> Cluster:
    """Return the cluster that ``--cluster`` names; ClusterError for what is no address and no such file."""
    if _ADDRESS.fullmatch(where):
        return Cluster(address=where)
    path = Path(where)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        cure = "give tcp://HOST:PORT of a Dask scheduler, or a file such as clusters/slurm.yaml"
        raise ClusterError(f"there is no cluster {where}; {cure}")
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ClusterError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict) or set(values) != set(FIELDS):
        raise ClusterError(f"{where} must have the fields {', '.join(FIELDS)}, and no others")
    return _checked(where, values["class"], values["workers"], values["options"])


def _checked(where: str, starts: Any, workers: Any, options: Any) -> Cluster:
    if not isinstance(starts, str) or "." not in starts:
        raise ClusterError(f"{where}: `class` must be a class such as dask_jobqueue.SLURMCluster, not {starts!r}")
    if type(workers) is not int or workers < 1:
        raise ClusterError(f"{where}: `workers` must be a number of workers, not {workers!r}")
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise ClusterError(f"{where}: `options` must map the options of {starts} to values, or be {{}}")
    return Cluster(starts=starts, workers=workers, options=options)


@contextlib.contextmanager
def joined(wanted: Cluster | None, device: str) -> Iterator[None]:
    """Let the processes of a run compute on a cluster while the block runs; on this machine where it is None.

    Args:
        wanted: the cluster; one that a file names is started, and ended with the block.
        device: of the profile, where the workers compute.

    Raises:
        ClusterError: it could not be started.
        ArtifactError: its scheduler does not answer, or Dask is not installed.
    """
    if wanted is None:
        yield
        return
    with _running(wanted) as address:
        cluster.connect(address).close()  # a wrong address is told before anything runs
        os.environ[cluster.ENVIRONMENT_NAME] = cluster.described(address, device)
        try:
            yield
        finally:
            del os.environ[cluster.ENVIRONMENT_NAME]


@contextlib.contextmanager
def _running(wanted: Cluster) -> Iterator[str]:
    if wanted.address:
        yield wanted.address
        return
    with _started(wanted) as made:
        made.scale(wanted.workers)
        yield made.scheduler_address


def _started(wanted: Cluster) -> Any:
    module, _, name = wanted.starts.rpartition(".")
    try:
        start = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ClusterError(f"{wanted.starts} cannot be found ({error}); {cluster.INSTALL}") from None
    try:
        return start(**wanted.options)
    except Exception as error:  # whatever a scheduler of jobs or a server of Kubernetes has to say
        what = " ".join(str(error).split())
        raise ClusterError(f"{wanted.starts} did not start ({type(error).__name__}: {what}); mend `options`") from error
