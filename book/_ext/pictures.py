"""The directive `picture`: a figure that was drawn for this build, in the page's colours.

``{picture} effects`` shows book/pictures/effects.html; its content is the caption. The drawing says itself
what it shows.
"""

from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class Picture(SphinxDirective):
    """A numbered figure with a caption, whose drawing is HTML."""

    required_arguments = 1
    has_content = True
    option_spec = {"name": directives.unchanged}

    def run(self):
        """Return the figure."""
        path = Path(self.env.srcdir, "book", "pictures", f"{self.arguments[0]}.html")
        self.env.note_dependency(str(path))
        figure = nodes.figure("", nodes.raw("", path.read_text(encoding="utf-8"), format="html"))
        told = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, told)
        figure += nodes.caption("", "", *told.children[0].children)
        self.add_name(figure)
        return [figure]


def setup(app):
    """Make the directive known."""
    app.add_directive("picture", Picture)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
