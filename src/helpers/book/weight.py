"""What pages load without need is cut: of the theme's two thousand icons a page of this book shows a dozen.

The theme brings Font Awesome as one script of 1.4 MB (0.5 MB compressed), more than all else of most pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from helpers.work import artifacts

ICONS = "_static/scripts/fontawesome.js"
_USED = re.compile(r"\bfa-([a-z0-9-]+)")
# name:[width,height,[other names],"code","path"] or several paths
_ICON = re.compile(
    r'(?:"([a-z0-9-]+)"|\b([a-z0-9]+)):\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\[(?:"[^"]*",?)+\])\],?'
)


def cut_icons(html: Path) -> None:
    """Take the icons out of the theme's script that no page below `html` names and no script of the theme."""
    script = html / ICONS
    if not script.exists():
        return
    used: set[str] = set()
    for pattern in ("**/*.html", "_static/*.js", "_static/scripts/*.js"):
        for file in set(html.glob(pattern)) - {script}:
            used |= set(_USED.findall(file.read_text(encoding="utf-8", errors="replace")))
    artifacts.write_text(script, without_icons(script.read_text(encoding="utf-8"), used))
    (html / f"{ICONS}.map").unlink(missing_ok=True)


def without_icons(script: str, used: set[str]) -> str:
    """Return Font Awesome's script with those of its icons alone that have a name in `used`."""
    return _ICON.sub(lambda icon: icon.group() if _names(icon) & used else "", script)


def _names(icon: re.Match[str]) -> set[str]:
    """Return the name of an icon, and the others it goes by."""
    others = icon.group().partition(":[")[2].partition("[")[2].partition("]")[0]
    return {icon.group(1) or icon.group(2), *re.findall(r'"([a-z0-9-]+)"', others)}
