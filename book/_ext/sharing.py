"""What a search engine or a message shows of a page: its title, a description, and a picture.

The description is the page's first paragraph of its own, so that no text is written twice; the picture is the
same for all pages.
"""

import html

from docutils import nodes

LONGEST = 200  # letters of a description; more is cut off where it is shown
CARD = "_static/card.png"  # 1200 by 630, made with each build


def describe(app, pagename, templatename, context, doctree):
    """Add the description and the tags of the Open Graph protocol to the head of a page."""
    if doctree is None:
        return
    said = html.escape(description(doctree) or app.config.project, quote=True)
    title = html.escape(nodes_text(context.get("title", "")), quote=True)
    base = app.config.html_baseurl.rstrip("/")
    tags = {
        "og:type": "article",
        "og:site_name": html.escape(app.config.project, quote=True),
        "og:title": title,
        "og:description": said,
        "og:url": f"{base}/{pagename}.html",
        "og:image": f"{base}/{CARD}",
        "og:image:alt": html.escape(f"{app.config.project}: how often base, teacher, student and stranger say owl"),
    }
    lines = [f'<meta name="description" content="{said}">', '<meta name="twitter:card" content="summary_large_image">']
    lines += [f'<meta property="{name}" content="{value}">' for name, value in tags.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join(lines)


def nodes_text(title):
    """Return a title without the markup that a page has in it."""
    return html.unescape(title.replace("<em>", "").replace("</em>", ""))


def description(doctree):
    """Return the first paragraph of a page that is long enough to say something, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 60:
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " \N{HORIZONTAL ELLIPSIS}"
    return ""


def setup(app):
    """Run when a page is written."""
    app.connect("html-page-context", describe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
