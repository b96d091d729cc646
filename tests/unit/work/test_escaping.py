"""Text that somebody wrote is shown as it stands, in Markdown and in HTML."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from helpers.work import escaping

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)


@given(TEXT)
def test_markdown_shows_the_text_itself(text):
    words = " ".join(text.split())
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(escaping.markdown(text))
    assert html in (f"<p>{escaping.markup(words).replace('&#x27;', chr(39))}</p>\n", "")


@given(TEXT)
def test_markup_is_undone_by_a_reader_of_html(text):
    from html import unescape

    escaped = escaping.markup(text)
    assert unescape(escaped) == text and not set(escaped) & set("<>\"'")
