"""Icons that nothing shows are cut out of the theme's script, and the script still works."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers.book.weight import ICONS, cut_icons, without_icons

SCRIPT = (
    'a={bars:[448,512,["navicon"],"f0c9","M0 96"],"arrow-up":[384,512,[],"f062",["M1","M2"]],'
    'moon:[384,512,[],"f186","M3"]};'
)


def test_only_icons_that_have_a_used_name_stay():
    assert without_icons(SCRIPT, {"navicon", "moon"}) == (
        'a={bars:[448,512,["navicon"],"f0c9","M0 96"],moon:[384,512,[],"f186","M3"]};'
    )
    assert without_icons(SCRIPT, set()) == "a={};"


def test_what_a_page_or_a_script_names_is_used(tmp_path):
    (tmp_path / ICONS).parent.mkdir(parents=True)
    (tmp_path / ICONS).write_text(SCRIPT)
    (tmp_path / "index.html").write_text('<i class="fa-solid fa-moon"></i>')
    (tmp_path / "_static/menu.js").write_text('e.className = "fa-solid fa-arrow-up"')
    (tmp_path / "_static/explorers").mkdir()
    (tmp_path / "_static/explorers/charts.js").write_text(".fa-bars:before")
    cut_icons(tmp_path)
    left = (tmp_path / ICONS).read_text()
    assert "moon" in left and "arrow-up" in left and "bars" not in left
    cut_icons(tmp_path / "none")


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to read the script with")
@pytest.mark.skipif(find_spec("pydata_sphinx_theme") is None, reason="the book's theme is not installed")
def test_the_scripts_of_the_theme_are_cut_to_a_tenth_and_still_a_script(tmp_path):
    theme = Path(find_spec("pydata_sphinx_theme").origin).parent / "theme/pydata_sphinx_theme/static"
    whole = (theme / "scripts/fontawesome.js").read_text(encoding="utf-8")
    left = without_icons(whole, {"bars", "moon", "github"})
    assert len(left) < len(whole) / 10 and "bars:[" in left and "github:[" in left
    (tmp_path / "icons.js").write_text(left, encoding="utf-8")
    subprocess.run(["node", "--check", str(tmp_path / "icons.js")], check=True)
