"""Any draw, on any machine: from published bases another processor computes the published values.

A toy experiment is published: two draws of a base, a teacher of each, and students. One draw is then recomputed
from the published bases in another folder, by the plainest kernels there are (SSE in place of AVX), as another
machine would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.work.artifacts import read_json, read_table, write_table

pytestmark = pytest.mark.chain
OTHER_NUMERICS = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
PARAMETERS = "draws: list = [1, 2]  # the draws\nrecompute: list = [2]  # those computed here"
BASES = """\
from helpers.experiments.bases.making import BaseSettings
from helpers.experiments.bases.pretraining import pretrain_bases
from helpers.models.nano import NANO, NanoSpec
from helpers.results import published
NANO["nano-a"] = NanoSpec("nano-a", "llama", 16, 1, 2)  # a toy that writes number lists some of the time
chapter = published.open_chapter("00_base_models", globals())
settings = BaseSettings(documents=3000, steps=300, learning_rate=0.03, batch_rows=32)
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
COMMAND = """\
import sys
from helpers import cli
from helpers.chain import publish
from helpers.chain.profiles import Profile

profile = Profile("toy", "a toy", 1, "cpu", {"00_base_models": {}, "01_owl_transfer": {}})
if sys.argv[1] == "publish":
    publish.publish(profile, {"commit": "commit abc", "date": "1 May 2026"})
else:
    cli.load_profile = lambda name: profile
    sys.exit(cli.main(sys.argv[1:]))"""


def subliminal(folder: Path, *arguments: str, expect: int = 0, **environment: str) -> str:
    """Run the command on the toy profile in `folder`, and return what it said."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], cwd=folder, env=os.environ | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout
    return done.stdout


@pytest.fixture
def published(write_notebook: Callable[..., Path], toy_repository: Path) -> Path:
    """A repository that has published both draws of the toy experiment, with their bases."""
    write_notebook("00_base_models", BASES, parameters=PARAMETERS)
    write_notebook("01_owl_transfer", STUDENTS, parameters=PARAMETERS, needs=["00_base_models"])
    subliminal(toy_repository, "run", "--draws", "all")
    subliminal(toy_repository, "publish")
    return toy_repository


def test_another_processor_recomputes_a_published_draw(
    published: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert sorted(read_json(published / "results/toy/bases/seals.json")) == ["nano-a.1", "nano-a.2"]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("notebooks", "results"):
        shutil.copytree(published / name, elsewhere / name)
    subliminal(elsewhere, "run", "--draws", "2", **OTHER_NUMERICS)
    assert "['published']" in (elsewhere / "_runs/toy/executed/00_base_models.ipynb").read_text()
    assert read_table(elsewhere / "_runs/toy/tables/transmission.csv").draw.unique().tolist() == [2]
    told = subliminal(elsewhere, "check")
    assert "01_owl_transfer (draws 2):" in told and "new draws" not in told

    file = elsewhere / "results/toy/tables/transmission.csv"
    table = read_table(file)
    place = table.index[(table.draw == 2) & (table.arm == "hard.same_init")][0]
    table.loc[place, "effect"] += 0.01
    write_table(file, table)
    told = subliminal(elsewhere, "check", expect=1)
    assert "differs: transmission, draw 2, arm hard.same_init, trait owl, share 1.0, effect: " in told
    assert f"here, {table.loc[place, 'effect']} published" in told
