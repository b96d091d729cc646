"""values.json becomes MyST substitutions: a page writes {{ owl.numbers.soft.same_init.interval }}, say.

An id that the run did not record is an undefined name: a warning, hence an error in the strict build.
"""

import json
from pathlib import Path


def load(app, config):
    """Read the staged values and put the run they come from into the footer of every page."""
    values = json.loads((Path(app.srcdir) / "values.json").read_text(encoding="utf-8"))
    config.myst_substitutions = {**config.myst_substitutions, **values}
    paper = f'<a href="{config.html_baseurl}subliminal-learning.pdf">The book as PDF</a>'
    licence = (
        "Text and figures: <a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a>; code: MIT licence."
    )
    footer = f'<p class="provenance">{values["build"]["footer"]} {licence} {paper}.</p>'
    config.html_theme_options["extra_footer"] = footer


def setup(app):
    """Run before the other handlers of config-inited, which copy the substitutions into MyST's settings."""
    app.connect("config-inited", load, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
