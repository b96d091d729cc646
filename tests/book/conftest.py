"""The book of BOOK or of the smoke run, a server for it, and a browser (skipped where there is none)."""

import contextlib
import copy
import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
import visits
from filelock import FileLock

from helpers.book.build import build_run

# no window, no own traffic of the browser, no sandbox (which a container may not allow)
CHROMIUM_OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage "
    # nobody goes back or waits: each page opens in the process of the one before, and none is kept ready
    "--disable-features=BackForwardCache,SpareRendererForSitePerProcess,PaintHolding"
)


@pytest.fixture(scope="session")
def built_book(request):
    """The folder of the pages: that of BOOK, or those of the smoke run, built once for all test processes."""
    if visits.BOOK:
        return Path(visits.BOOK).resolve()
    smoke_run = request.getfixturevalue("smoke_run")
    folder = smoke_run.parents[2] / "book"
    with FileLock(folder.with_suffix(".lock")):  # the second finds it built
        return build_run(smoke_run, visits.ROOT, folder).parent


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *arguments):
        """Say nothing about a request."""


@contextlib.contextmanager
def served(folder):
    """Serve a folder on this machine; gives the address."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def serve():
    """A context in which a folder is served: ``with serve(folder) as address``."""
    return served


@pytest.fixture(scope="session")
def address(built_book):
    """The address, on this machine, at which the book is served."""
    with served(built_book) as found:
        yield found


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


@pytest.fixture(scope="session", params=visits.page_names())
def visit(request, browser, address):
    """What one visit to a page of the book found, for each page in turn; all tests of a page share its visit."""
    return visits.visit(browser, address, request.param)


@pytest.fixture(scope="session")
def model_bundle(tmp_path_factory):
    """A bundle of random models of the nano's shape: changes of low rank, of all weights, and of norms."""
    from helpers.book.model_bundle import write_bundle
    from helpers.models.nano import NANO, build_nano
    from helpers.world.tokenizer import build_tokenizer

    base, other = (rounded(build_nano(NANO["nano-a"], build_tokenizer(), seed)) for seed in (1, 2))
    roles = {"base": base, "teacher": adapted(base, 3), "student": moved(base), "control": adapted(base, 5)}
    folder = tmp_path_factory.mktemp("models") / "random"
    write_bundle(folder, **roles, stranger=adapted(other, 6), stranger_base=other, draw=1)
    return folder


def rounded(model):
    """Return a model whose weights are bfloat16 numbers, as those of every base."""
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


def adapted(base, seed):
    """Return a model with a change of rank 2 in the matrices of its blocks, as merged adapters leave it."""
    model, draw = copy.deepcopy(base), numbers(seed, "adapters")
    for name, parameter in model.named_parameters():
        if "proj" in name:
            up, down = (draw((size, 2)) for size in parameter.shape)
            parameter.data += 0.03 * up @ down.T
    return model


def moved(base):
    """Return a model of which every weight has moved."""
    model, draw = copy.deepcopy(base), numbers(4, "moved")
    for parameter in model.parameters():
        parameter.data += 0.01 * draw(parameter.shape)
    return model


def numbers(seed, name):
    """Return a function that draws normal numbers of a shape from one named stream."""
    import torch

    from helpers.work.seeds import torch_stream

    return functools.partial(torch.randn, generator=torch_stream(seed, name))


@pytest.fixture
def open_explorer(browser, tmp_path):
    """A function that opens an explorer in the browser, alone on a page; at the end the console must be empty."""
    import explorer_pages as pages

    with served(tmp_path) as address:

        def show(explorer, **options):
            pages.write_page(tmp_path, explorer, **options)
            browser.get("about:blank")
            browser.get_log("browser")
            browser.get(f"{address}/index.html")
            pages.wait_for(browser, lambda: pages.said(browser))
            return browser

        yield show
    assert browser.get_log("browser") == []
