"""The book: a finished run becomes _build/html, or one clear error.

Design choices:
- jupyter-book 1 builds strictly (every warning is an error) from a stage written anew; nothing executes here.
- A build is skipped when nothing it depends on has changed; otherwise every page is read again, because an
  incremental build keeps old numbers in pages whose own source did not change.
- After the build every page is read once more: it names no path of this machine, and loads nothing from
  another host.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from helpers.book import machine, staging, theme, weight
from helpers.book.explorers import SHOWN
from helpers.book.provenance import provenance
from helpers.book.staging import BookError
from helpers.figures.explorers.frame import ASSETS
from helpers.results.answers import ANSWERS_FILE
from helpers.results.bundles import MANIFEST
from helpers.results.runs import EARLIER, RUNS_FILE
from helpers.work import artifacts
from helpers.work.artifacts import RESULTS

__all__ = ["BookError", "build", "build_run", "foreign_requests", "machine_paths"]

_TOOLS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "sphinxcontrib-bibtex", "anywidget")
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
_PROBLEM = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|error:|Error:")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FOREIGN = re.compile(r"^(https?:)?//", re.IGNORECASE)
_FOREIGN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)['"]?((?:https?:)?//[^'")\s]+)""", re.IGNORECASE)
_REFRESH = re.compile(r"^\s*[\d.]+\s*;\s*url\s*=\s*['\"]?((?:https?:)?//.+)", re.IGNORECASE)
_FOREIGN_MODULE = re.compile(r"""\bimport\b[^;]{0,80}['"](https?://[^'"]+)['"]""")
# by element: the attributes whose address a browser fetches without a click
_LOADING = {
    "audio": ("src",),
    "base": ("href",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),  # in SVG
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch", "manifest"}


def build(profile: str, root: Path) -> Path:
    """Build the book of `profile` below `root` (the repository) and return _build/html/index.html.

    Raises BookError when the run is missing or unfinished, when a page has a warning, names a path of this
    machine, or loads anything from another host.
    """
    return build_run(root / "_runs" / profile, root, root)


def build_run(run_dir: Path, root: Path, destination: Path) -> Path:
    """Build the book of the run in `run_dir` from the sources in `root` into `destination`/_build."""
    root, run_dir, out = root.resolve(), run_dir.resolve(), destination.resolve() / "_build"
    index, stamp = out / "html" / "index.html", out / "book.key"
    key = _key(root, run_dir)
    if index.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return index
    stamp.unlink(missing_ok=True)
    staging.stage(root, run_dir, out / "stage")
    _run_jupyter_book(root, out)
    theme.mend(out / "html")
    weight.cut_icons(out / "html")
    _check_pages([root, run_dir.parents[1]], out / "html")
    artifacts.write_text(stamp, key)
    return index


def machine_paths(text: str, places: list[str]) -> list[str]:
    """Return the folders of `places` (absolute paths of this machine) that `text` names."""
    return [place for place in places if re.search(re.escape(place) + r"(?![\w.-])", text)]


def foreign_requests(html: str) -> list[str]:
    """Return the addresses on other hosts that a browser would fetch by itself when it opens the page."""
    parser = _Loads()
    parser.feed(html)
    return parser.found


def _key(root: Path, run_dir: Path) -> str:
    """Return the key of everything that decides how the pages look."""
    notebooks = staging.executed_notebooks(run_dir)
    guest = staging.guest_run(root, run_dir)
    of_guest = [guest / "ledger.json", *staging.executed_notebooks(guest)] if guest else []
    sources = sorted((root / "book").rglob("*"))
    contents = {}
    runs = [root / RESULTS / run_dir.name / name for name in (RUNS_FILE, EARLIER)]
    of_run = [run_dir / "ledger.json", run_dir / machine.CHECK, *notebooks, *of_guest]
    of_run += [folder / MANIFEST for folder in staging.bundles(root, run_dir)]
    shown = [folder / "tables" / f"{name}.csv" for folder in (run_dir, root / RESULTS / run_dir.name) for name in SHOWN]
    for path in (root / "_config.yml", ANSWERS_FILE, *runs, *of_run, *shown, *ASSETS.rglob("*"), *sources):
        if path.is_file() and path.suffix != ".pyc":
            contents[str(path)] = artifacts.content_key(path.read_bytes().hex())
    code = artifacts.source_key("helpers.book.build")
    return artifacts.content_key([contents, _tools(), code, provenance(root, run_dir, notebooks)])


def _tools() -> dict[str, str]:
    try:
        return {name: version(name) for name in _TOOLS}
    except PackageNotFoundError as error:
        raise BookError(f"{error.name} is not installed; run `pip install -e '.[book]'`") from None


def _run_jupyter_book(root: Path, out: Path) -> None:
    stage, log = out / "stage", out / "book.log"
    places = ["--config", str(root / "_config.yml"), "--toc", str(stage / "book" / "_toc.yml")]
    strict = ["-W", "-n", "--keep-going", "--all"]
    build_it = ["build", str(stage), *places, "--path-output", str(out.parent), *strict]
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _JUPYTER_BOOK, *build_it],
        cwd=root,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = _ANSI.sub("", done.stdout)
    artifacts.write_text(log, output)
    if done.returncode != 0:
        lines = output.replace(str(stage) + os.sep, "").splitlines()
        problems = dict.fromkeys(line for line in lines if _PROBLEM.search(line))
        listed = "\n  ".join(list(problems)[:12]) or "it said nothing more"
        raise BookError(f"the book does not build without warnings; {log} has all of them:\n  {listed}")


def _check_pages(roots: list[Path], html: Path) -> None:
    """Raise BookError for pages that name a path of this machine, `roots` among them, or load from another host."""
    places = list({*map(str, roots), sys.prefix, str(Path.home())} - {os.sep, "/usr"})
    problems: list[str] = []
    for page in _published_text(html):
        problems += _page_problems(page, html, places)
    if problems:
        raise BookError("the built pages are not fit for publishing:\n  " + "\n  ".join(problems[:12]))


def _published_text(html: Path) -> Iterator[Path]:
    for pattern in ("*.html", "_sources/**/*", "searchindex.js", "_static/*.css"):
        yield from (path for path in sorted(html.rglob(pattern)) if path.is_file())


def _page_problems(page: Path, html: Path, places: list[str]) -> Iterator[str]:
    text, name = page.read_text(encoding="utf-8", errors="replace"), page.relative_to(html)
    for place in machine_paths(text, places):
        yield f"{name} names {place}, a path of this machine; pass relative paths to notebooks"
    addresses = foreign_requests(text) if page.suffix == ".html" else []
    addresses += _FOREIGN_CSS.findall(text) if page.suffix == ".css" else []
    for address in addresses:
        yield f"{name} loads {address}; copy it to book/_vendor"


class _Loads(HTMLParser):
    """Collects addresses on other hosts that a page loads by itself; links to click on are not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._raw = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses that an element loads, as far as they lie on another host."""
        given = {name: value or "" for name, value in attrs}
        self._raw = tag if tag in ("style", "script") else ""
        candidates = [given.get(name, "") for name in _LOADING.get(tag, ())]
        if tag == "link" and _LOADING_LINKS & set(given.get("rel", "").lower().split()):
            candidates.append(given.get("href", ""))
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            candidates += _REFRESH.findall(given.get("content", ""))
        candidates += _FOREIGN_CSS.findall(given.get("style", ""))
        for candidate in candidates:
            if not candidate.startswith("data:"):
                # the addresses of a srcset stand one beside the other
                self.found += [part for part in candidate.replace(",", " ").split() if _FOREIGN.match(part)]

    def handle_data(self, data: str) -> None:
        """Note what style sheets and modules within the page import from other hosts."""
        if self._raw:
            self.found += (_FOREIGN_CSS if self._raw == "style" else _FOREIGN_MODULE).findall(data)

    def handle_endtag(self, tag: str) -> None:
        """Leave the style or script."""
        self._raw = ""
