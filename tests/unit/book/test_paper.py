"""The pages as one: in order, with links and pictures that lead somewhere, and without what only a screen has."""

import pytest

from helpers.book import paper

PAGE = """<html><head><title>T</title><link rel="stylesheet" href="../_static/book.css"></head><body><nav>menu</nav>
<article class="bd-article"><h1 id="top">{title}</h1>{text}<script>x</script><noscript><p>still</p></noscript>
<svg><path id="mark"/></svg></article>{following}</body></html>"""


@pytest.fixture
def html(tmp_path):
    """Two pages of a book, each of which links to the other."""
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    there = '<a href="../notebooks/a.html#top">a</a><a href="https://x.y/#z">x</a><a href="#top">up</a>'
    after = '<a class="right-next" href="../notebooks/a.html">next</a>'
    (tmp_path / paper.FIRST).write_text(PAGE.format(title="One", text=there, following=after))
    back = '<a href="../book/index.html">one</a><a href="../_static/t.csv">t</a><img src="../_images/p.png">'
    (tmp_path / "notebooks/a.html").write_text(PAGE.format(title="Two", text=back, following=""))
    return tmp_path


def test_pages_follow_each_other_and_links_stay_within(html):
    text = paper.assembled(html)
    assert text.index("One") < text.index("Two") and "menu" not in text and "<script>x" not in text
    assert text.count("<p>still</p>") == 2 and "noscript" not in text
    for link in ("#notebooks-a--top", "#book-index--top", "#book-index", "https://x.y/#z", "_static/t.csv"):
        assert f'href="{link}"' in text
    for anchor in ("book-index", "book-index--top", "notebooks-a", "notebooks-a--top"):
        assert text.count(f'id="{anchor}"') == 1
    assert 'src="_images/p.png"' in text and 'href="_static/book.css"' in text
    assert text.count('id="mark"') == 2, "a drawing finds its own marks"


def test_without_a_browser_the_cure_is_named(html, monkeypatch):
    monkeypatch.setattr(paper.shutil, "which", lambda name: None)
    with pytest.raises(paper.PaperError, match="install it"):
        paper.print_book(html)


@pytest.mark.browser
def test_a_book_is_printed(html):
    if not any(map(paper.shutil.which, paper._BROWSERS)):
        pytest.skip("no Chromium (apt-get install chromium)")
    printed = paper.print_book(html)
    assert printed.read_bytes().startswith(b"%PDF") and not (html / "whole.html").exists()
