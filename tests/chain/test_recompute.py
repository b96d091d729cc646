"""Killed and taken up, published, recomputed elsewhere: the values stay what they are.

A toy experiment of two draws of a base, a teacher of each, and students is killed while it trains the second base. It
is taken up, and published. One draw is then recomputed from the published bases in another folder, by the plainest
kernels there are (SSE in place of AVX), as another machine would.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import cli
from helpers.chain.draws import read_choice
from helpers.chain.profiles import Profile
from helpers.chain.run import run_chain
from helpers.work.artifacts import read_json, read_table, write_table

pytestmark = pytest.mark.chain
OTHER_NUMERICS = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
PARAMETERS = "draws: list = [1, 2]  # the draws\nrecompute: list = [2]  # those computed here"
SIZE = ("nano-a", "llama", 16, 1, 2)
# more than the 100 steps after which a training leaves its first checkpoint
PRETRAINING = {"documents": 1000, "steps": 160, "learning_rate": 0.03, "batch_rows": 32}
BASES = f"""\
from helpers.experiments.bases.making import BaseSettings
from helpers.experiments.bases.pretraining import pretrain_bases
from helpers.models.nano import NANO, NanoSpec
from helpers.results import published
NANO["nano-a"] = NanoSpec(*{SIZE})  # a toy that writes number lists some of the time
chapter = published.open_chapter("00_base_models", globals())
settings = BaseSettings(**{PRETRAINING})
print(pretrain_bases(["nano-a"], chapter.recompute, settings, run_dir, 1).origin.tolist())"""
STUDENTS = """\
import pandas as pd
from helpers.results import published, tables
from helpers.work.tables import keep_table
from helpers.transmission import effects
from helpers.transmission.arms import ARMS
from helpers.transmission.readout import Readout
from helpers.transmission.settings import (
    Reading, TransmissionSettings, Writing, reading_by_adapters, teaching_by_adapters)

def students(settings):
    arms = [(ARMS[name], "owl") for name in ("hard.same_init", "soft.same_init")]
    rows, seconds = effects.arm_rows(settings, arms)
    return keep_table(settings.run_dir, "transmission", pd.DataFrame(rows), seconds)

chapter = published.open_chapter("01_owl_transfer", globals())
settings = TransmissionSettings(
    run_dir=run_dir, trait="owl", draws=chapter.recompute, base="nano-a", other_base="nano-a", workers=1,
    writing=Writing(prompts=200, teaching=teaching_by_adapters(0.0025, "all-linear", 20)),
    reading=Reading(
        hard_rows=96, soft_rows=64, hard=reading_by_adapters(0.016, "all-linear", 2, 32),
        soft=reading_by_adapters(0.012, "all-linear", 2, 32)),
    readout=Readout(samples=5), author_readout=Readout(samples=5))
asked = effects.authors_of(settings, [("fine-tuned", "owl"), ("untouched", "owl")])
chapter.table("teachers", lambda: effects.teach_and_write(settings, asked))
table = chapter.table("transmission", students, settings)
soft = table[table.arm == "soft.same_init"]
chapter.record({"owl.numbers.soft.same_init": soft.effect.tolist()}, params=settings)"""
TOY = Profile("toy", "a toy", 1, "cpu", {"00_base_models": {}, "01_owl_transfer": {}})
RUN = """\
from helpers.chain.profiles import Profile
from helpers.chain.run import run_chain
run_chain(Profile("toy", "a toy", 1, "cpu", {"00_base_models": {}}))"""


@pytest.fixture
def killed(write_notebook: Callable[..., Path], toy_repository: Path) -> dict[Path, int]:
    """Run the toy experiment in the current folder, and kill the runner outright while the second base is trained.

    Returns:
        When each piece of work that was finished by then was written.
    """
    write_notebook("00_base_models", BASES, parameters=PARAMETERS)
    write_notebook("01_owl_transfer", STUDENTS, parameters=PARAMETERS, needs=["00_base_models"])
    runner = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.DEVNULL)
    try:
        while not list(Path("_runs/toy/checkpoints").glob("nano-a.2-*")):
            assert runner.poll() is None, "it was over before it could be killed"
            time.sleep(0.02)
    finally:
        runner.kill()
        runner.wait()
    time.sleep(1)  # the system tells the kernel and its server, which then end
    return written()


def written() -> dict[Path, int]:
    """When each finished piece of work of the run was written, by its file."""
    return {path: path.stat().st_mtime_ns for path in Path("_runs/toy/cells").rglob("*.json")}


def trained_unbroken(draw: int) -> str:
    """Train the toy base of a draw in one go; return its seal."""
    from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
    from helpers.models.nano import NANO, NanoSpec

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NANO, "nano-a", NanoSpec(*SIZE))
        pretrain_bases(["nano-a"], [draw], BaseSettings(**PRETRAINING), "_runs/unbroken", 1)
    return read_json("_runs/unbroken/bases/seals.json")[f"nano-a.{draw}"]


def test_a_killed_run_ends_as_one_unbroken_and_another_processor_recomputes_its_draws(
    killed: dict[Path, int],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from helpers.chain.publish import publish

    assert run_chain(TOY, choice=read_choice("all")) == ["00_base_models", "01_owl_transfer"]
    assert killed and killed.items() <= written().items(), "a finished piece was computed again"
    assert not list(Path("_runs").rglob("*.part"))
    publish(TOY, {"commit": "commit abc", "date": "1 May 2026"})
    seals = read_json("results/toy/bases/seals.json")
    assert set(seals) == {"nano-a.1", "nano-a.2"} and seals["nano-a.2"] == trained_unbroken(2)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("notebooks", "results"):
        shutil.copytree(name, elsewhere / name)
    monkeypatch.chdir(elsewhere)
    with monkeypatch.context() as patch:
        for name, value in OTHER_NUMERICS.items():
            patch.setenv(name, value)
        run_chain(TOY, choice=read_choice("2"))
    assert "['published']" in Path("_runs/toy/executed/00_base_models.ipynb").read_text()
    assert read_table("_runs/toy/tables/transmission.csv").draw.unique().tolist() == [2]
    monkeypatch.setattr(cli, "load_profile", lambda name: TOY)
    capsys.readouterr()
    assert cli.main(["check"]) == 0
    told = capsys.readouterr().out
    assert "01_owl_transfer (draws 2):" in told and "new draws" not in told

    file = Path("results/toy/tables/transmission.csv")
    table = read_table(file)
    place = table.index[(table.draw == 2) & (table.arm == "hard.same_init")][0]
    table.loc[place, "effect"] += 0.01
    write_table(file, table)
    assert cli.main(["check"]) == 1
    told = capsys.readouterr().out
    assert "differs: transmission, draw 2, arm hard.same_init, trait owl, share 1.0, effect: " in told
    assert f"here, {table.loc[place, 'effect']} published" in told
