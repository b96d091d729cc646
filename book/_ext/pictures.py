"""The directive `picture`: a figure in the page's colours, with a drawing for wide pages and one for phones.

``{picture} effects`` shows book/pictures/effects.html, which was drawn for this build and says itself what it shows;
``{picture} setup`` with an option ``alt`` shows images/setup.svg and images/setup_narrow.svg. The content is the
caption.
"""

import html
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class Picture(SphinxDirective):
    """A numbered figure with a caption, whose drawing is HTML."""

    required_arguments = 1
    has_content = True
    option_spec = {"name": directives.unchanged, "alt": directives.unchanged}

    def run(self):
        """Return the figure."""
        figure = nodes.figure("", nodes.raw("", self.drawing(), format="html"))
        told = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, told)
        figure += nodes.caption("", "", *told.children[0].children)
        self.add_name(figure)
        return [figure]

    def drawing(self):
        """Return both drawings as HTML, of which the style sheet shows one."""
        name, book = self.arguments[0], Path(self.env.srcdir, "book")
        if "alt" not in self.options:
            return self.text(book / "pictures" / f"{name}.html")
        wide, narrow = (self.text(book / "images" / f"{name}{kind}.svg") for kind in ("", "_narrow"))
        said = html.escape(self.options["alt"], quote=True)
        return (
            f'<div class="picture" role="img" aria-label="{said}"><div class="picture-wide">{wide}</div>'
            f'<div class="picture-narrow" style="display: none">{narrow}</div></div>'
        )

    def text(self, path):
        """Return a file on which the page depends."""
        self.env.note_dependency(str(path))
        return path.read_text(encoding="utf-8")


def setup(app):
    """Make the directive known."""
    app.add_directive("picture", Picture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
