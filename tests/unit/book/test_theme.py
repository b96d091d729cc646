"""The theme's faults are mended, each once, and only they."""

from helpers.book.theme import mend, mended, silenced

BUTTON = '<button class="btn search-button-field pst-js-only" title="Search" aria-label="Search" data-x="1">'
ICON = '<i class="theme-switch fa-solid fa-sun  fa-lg" data-mode="light" title="Light"></i>'
SIDE = '<div id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar">'
LEADING = '<meta http-equiv="Refresh" content="0; url=book/index.html" />'
CITED = '<div class="citation" id="id2" role="doc-biblioentry">'


def test_each_fault_is_mended_once():
    assert mended(BUTTON) == BUTTON.replace(' aria-label="Search"', "")
    assert mended(ICON) == ICON.replace(' title="Light"', "")
    assert mended(SIDE).startswith('<div role="navigation" aria-label="Chapters" id=')
    assert mended(CITED).endswith('id="id2" role="listitem">')
    assert mended('<summary aria-label="Toggle hidden content">') == "<summary>"
    first = mended(LEADING)
    assert first.startswith('<!DOCTYPE html>\n<html lang="en">') and LEADING in first and 'rel="icon"' in first
    for text in (BUTTON, ICON, SIDE, CITED, LEADING):
        assert mended(mended(text)) == mended(text)


def test_other_pages_stay_as_they_are(tmp_path):
    (tmp_path / "a.html").write_text("<p title='Light' aria-label='Search'>")
    (tmp_path / "b.html").write_text(SIDE)
    mend(tmp_path)
    assert (tmp_path / "a.html").read_text() == "<p title='Light' aria-label='Search'>"
    assert 'role="navigation"' in (tmp_path / "b.html").read_text()


def test_scripts_of_the_theme_report_errors_alone(tmp_path):
    spoken = 'return void console.log(`[PST]: ${a}`);console.error(e);console.debug("b"),console.info("c")'
    assert silenced(spoken) == 'return void void(`[PST]: ${a}`);console.error(e);void("b"),void("c")'
    script = tmp_path / "_static/scripts/pydata-sphinx-theme.js"
    script.parent.mkdir(parents=True)
    script.write_text(spoken)
    toggles = tmp_path / "_static/togglebutton.js"
    toggles.write_text('console.log("[togglebutton]: Adding");')
    mend(tmp_path)
    assert script.read_text() == silenced(spoken) and "console" not in toggles.read_text()
