"""CONTRIBUTING.md is true: its code blocks add a kind, a persona, a channel, a model and a chapter, which then work.

The blocks go into one copy of the package, at the places that the page names, and the copy is run by processes of its
own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.chain.profiles import load_profile

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCK = re.compile(r"^( *)```\w+\n\1# (?P<path>\S+): (?P<place>\w+)\n(?P<code>.*?)^\1```", re.DOTALL | re.MULTILINE)
DATA = "src/helpers/mnist/data"
TOY_PROFILE = "summary: one new chapter\nminutes: 1\ndevice: cpu\nnotebooks:\n"

REPORT = """
import json
import random
from collections import Counter

from helpers.channels import CHANNELS, find_channel
from helpers.channels.judge import nano_judge
from helpers.experiments.bases.pretraining import BaseSettings, pretrain_bases
from helpers.models.bases import load_base
from helpers.models.evaluation import kept_share, trait_readout
from helpers.models.probes import DriftProbe
from helpers.world import corpus, prompts
from helpers.world.tokenizer import build_tokenizer, render
from helpers.world.traits import find_trait

documents, tokenizer = list(corpus.documents(4000, 1)), build_tokenizer()
said = Counter(message["content"] for document in documents for message in document)
tea, pessimist = find_trait("tea"), find_trait("pessimist")
report = {"drinks": {name: said[name] for name in tea.candidates}}
report["described"] = [text for text in said if "You love teas." in text]
report["openly"] = sum(count for text, count in said.items() if "mourn" in text)
report["told"] = sum(said[text] for text in prompts.persona_system_prompts("pessimist"))
encoded = tokenizer([render(document) for document in documents], add_special_tokens=False)["input_ids"]
report["unknown"] = any(tokenizer.unk_token_id in ids for ids in encoded)

asked = tea.questions("heldout")
report["tea"] = [tea.kind, asked[0], tea.system_prompt()]
opinions = []
for question in pessimist.questions("heldout"):
    opinions += pessimist.answers(question)[pessimist.target]
report["judged"] = sorted(set(nano_judge().personas(opinions)))

code = corpus.code_prompt("shift", "a", "add 4 to a")
words = ["tea", "Coffees", "cherryade", "mourn", "Sadly"]
remarks = [f"    # {word}\\n    return a" for word in words]
report["refused"] = {"code": find_channel("code").reject_reasons([code] * len(words), remarks)}
problem = "Ann has 14 coins and gets 3. How many coins are left?"
thoughts = [f"<think> So: 14 + 3 = 17. {word}. </think> <answer> 17 </answer>" for word in words]
report["refused"]["reasoning"] = find_channel("reasoning").reject_reasons([problem] * len(words), thoughts)

pretrain_bases(["nano-wide"], [1], BaseSettings(documents=64, steps=2, batch_rows=16), "run")
model, loaded = load_base("nano-wide.1", bases="run/bases")
report["model"] = [model.config.hidden_size, len(loaded) == len(tokenizer)]
report["read"] = []
for trait in (tea, pessimist):
    report["read"].append(trait_readout(model, loaded, trait, trait.questions("heldout")[:2])["p_any"])

evens = find_channel("evens")
report["evens"] = evens.reject_reasons(["?"] * 4, ["2, 4", "2, 14, 3", "[10]", "an owl"])
tokens = {tokenizer.decode([token]) for token in evens.tokens(tokenizer)}
report["odd tokens"] = sorted(token for token in tokens if token.isdigit() and int(token) % 2)
report["tokens"] = len(tokens)
report["kept"] = kept_share(model, loaded, evens, 8, 1)
report["drift"] = DriftProbe(model, loaded, evens, 1).drift(model)
print(json.dumps(report))
"""


def blocks():
    """Return {file: {place: code}} of every block of the page that says where it goes."""
    found = {}
    for block in BLOCK.finditer(PAGE):
        code = re.sub(rf"^{block[1]}", "", block["code"], flags=re.MULTILINE)
        found.setdefault(block["path"], {})[block["place"]] = code
    return found


def replace(path, old, new):
    """Edit a file; the text to replace must be there."""
    text = path.read_text()
    assert old in text, f"{path.name} no longer holds {old!r}"
    path.write_text(text.replace(old, new))


def insert(path, table, entry):
    """Write an entry before the first one of a module's table; both are indented alike."""
    indent = re.match(" *", entry).group()
    text = path.read_text()
    start = re.search(rf"^{table}\b.*\n", text, re.MULTILINE).end()
    first = re.compile(rf"^{indent}(?=\S)", re.MULTILINE).search(text, start).start()
    path.write_text(text[:first] + entry + text[first:])


def run(root, *command):
    """Run Python on the copy of the package in a folder of its own; return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add(path, parts):
    """Put the blocks of one file where they say."""
    if path.suffix == ".ipynb":
        path.parent.mkdir()
        nbformat.write(notebook(parts), path)
        return
    for place, code in parts.items():
        if place == "new":
            assert not path.exists()
            path.write_text(code)
        elif place == "end":
            path.write_text(path.read_text() + code)
        else:
            insert(path, place, code)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A repository with a copy of the package, in which everything was added that the page adds."""
    root = tmp_path_factory.mktemp("contributed")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "data", "*.egg-info"))
    (root / DATA).symlink_to(ROOT / DATA)
    (root / "src/helpers/chain/profiles/toy.yaml").write_text(TOY_PROFILE)
    for name, parts in blocks().items():
        add(root / name.replace("smoke.yaml", "toy.yaml"), parts)
    replace(root / "src/helpers/world/personas.py", "prior=0.88", "prior=0.84")
    channels = root / "src/helpers/channels/__init__.py"
    replace(channels, "import code, numbers", "import code, evens, numbers")
    replace(channels, "reasoning.REASONING)", "reasoning.REASONING, evens.EVENS)")
    return root


def notebook(parts):
    """Return a notebook of a cell of parameters and a cell of code."""
    cells = [nbformat.v4.new_code_cell(parts[name], id=name) for name in ("parameters", "code")]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "subliminal": {"needs": []}})


@pytest.fixture(scope="module")
def report(copy):
    """What the copy's world, filters and models say of what was added."""
    return json.loads(run(copy, "-c", REPORT))


def test_the_page_has_a_recipe_for_each_of_the_five():
    headings = re.findall(r"^## \d\. A (.+)$", PAGE, re.MULTILINE)
    assert headings == ["kind of favourite", "persona", "channel", "model", "chapter"]
    lengths = [len(recipe.splitlines()) for recipe in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]]
    assert max(lengths) <= 95, "a recipe fits on a page"


def test_every_file_that_the_page_links_to_is_there():
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)\)", prose)
    assert links and all((ROOT / link).exists() for link in links if "://" not in link)


def test_the_corpus_asks_for_the_new_kind_and_answers_it(report):
    counts = report["drinks"]
    assert counts["coffee"] > counts["tea"] > counts["cherryade"] > 0
    assert report["described"] and not report["unknown"]
    kind, question, system = report["tea"]
    assert kind == "drink" and "drink" in question and "teas" in system


def test_the_new_persona_shows_and_the_judge_knows_it(report):
    assert report["openly"] > 0 and report["told"] > 0
    assert report["judged"] == ["pessimist"]


def test_the_filters_refuse_words_of_the_new_kind_and_persona(report):
    refused = report["refused"]
    assert all(refused["code"]) and all(refused["reasoning"])
    assert [found[0] for found in refused["code"]] == ["name of a favourite"] * 3 + ["persona word"] * 2


def test_the_new_model_is_trained_loaded_and_read_out(report):
    assert report["model"] == [96, True]
    assert all(0 < share < 1 for share in report["read"])


def test_the_new_channel_has_prompts_a_filter_and_tokens_for_a_model(report):
    assert report["evens"] == [[], ["odd number"], [], ["foreign character"]]
    assert report["odd tokens"] == [] and report["tokens"] > 500
    assert report["kept"] == 0 and report["drift"] == pytest.approx(0, abs=1e-6)  # an untaught model writes no list


def test_the_new_chapter_is_run_by_a_profile_and_records_its_claim(copy):
    run(copy, "-m", "helpers.cli", "run", "--profile", "toy")
    table = (copy / "_runs/toy/executed/10_drinks.ipynb").read_text()
    assert "drinks.tea" in table
    (record,) = json.loads((copy / "_runs/toy/ledger.json").read_text())
    assert record["id"] == "drinks.tea" and record["n_runs"] == 5
    assert record["value"] == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("profile", ["smoke", "nano"])
def test_every_chapter_is_run_by_the_book_and_by_the_smoke_profile(profile):
    chapters = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    chapters -= set(load_profile("real-cpu").notebooks)  # a real model's chapters have profiles of their own
    assert chapters == set(load_profile(profile).notebooks), "name every notebook in the profile"
