"""The smoke run's book, a server for it on this machine, and a browser (skipped where there is none)."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.book.build import build_run

ROOT = Path(__file__).parents[2]
# no window, no own traffic of the browser, no sandbox (which a container may not allow)
CHROMIUM_OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@pytest.fixture(scope="session")
def built_book(smoke_run):
    """The folder of the pages built from the smoke run; built once for all test processes."""
    folder = smoke_run.parents[2] / "book"
    with FileLock(folder.with_suffix(".lock")):  # the second finds it built
        return build_run(smoke_run, ROOT, folder).parent


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *arguments):
        """Say nothing about a request."""


@pytest.fixture(scope="session")
def address(built_book):
    """The address, on this machine, at which the book is served."""
    handler = functools.partial(QuietHandler, directory=built_book)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """A Chromium that records console messages and requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium (pip install selenium)")
    binary = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("no Chromium with its driver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in CHROMIUM_OPTIONS.split():
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.set_window_size(1280, 900)
    yield opened
    opened.quit()
