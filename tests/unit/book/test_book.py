"""What the book is made of, without building it: numbers in words, notebooks fit to print, clean pages."""

import dataclasses
import fnmatch
import json
import re
from html import unescape
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest
import recording
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.substitution import substitution_plugin

from helpers import cli
from helpers.book import build, prose, provenance, readme, staging
from helpers.book.staging import BookError
from helpers.chain.profiles import load_profile
from helpers.results import ledger
from helpers.results.claims import GUARD, find_claim, load_claims
from helpers.work import escaping

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "book").glob("*.md"))
SUBSTITUTION = re.compile(r"\{\{ *([\w.]+) *\}\}")
FIELDS = ("claim mean low high interval times unit n_runs control verdict paper source").split()


HOSTILE = [
    "<script>alert(1)</script>",
    "</SCRIPT ><img src=x onerror=alert(1)>",
    "a | b || c",
    "*a* _b_ `c` ~~d~~ $x$ \\\\( y \\\\)",
    "[a](javascript:alert(1)) ![b](//c.example/x.png) <https://a.example>",
    "{{ build.sentence }} {% raw %} {.verdict} {ref}`x`",
    "# a\n\n- b\n\n> c\n\n---\n\n:::{raw} html\n<script>\n:::",
    "+ a 1. b &lt; &#60;script&#62; \"quoted\" 'text'",
]


def make_record(name="owl.numbers.soft.same_init", values=(1.0, 1.2, 1.1, 1.3, 0.9), folder=None):
    notebook = load_claims()[name].notebook or "01_owl_transfer"
    return recording.record(folder, notebook, name, values, range(len(values)), {}, 1.0)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1.346, "nats", "+1.35"),
        (-0.3, "nats", "\N{MINUS SIGN}0.30"),
        (-0.001, "nats", "\N{MINUS SIGN}0.00"),  # as the bound of an interval it would else leave out zero
        (-0.0, "nats", "+0.00"),
        (0.5412, "fraction", "54.1\N{NO-BREAK SPACE}%"),
        (0.98765, "per log step", "0.988"),
    ],
)
def test_number_is_printed_as_its_unit_asks(value, unit, words):
    assert prose.number(value, unit) == words


def test_a_claim_without_a_record_has_every_word_that_pages_ask_for(tmp_path):
    record = make_record(folder=tmp_path)
    words = prose.entry_without_record(find_claim(record.id))
    assert words.keys() == prose.entry(record).keys() and words["interval"] == prose.UNRECORDED
    assert words["claim"] == prose.entry(record)["claim"]


def test_entry_says_mean_interval_and_factor_on_the_odds(tmp_path):
    words = prose.entry(make_record(folder=tmp_path))
    assert set(words) == set(FIELDS)
    assert words["mean"] == "+1.10" and words["n_runs"] == 5 and words["verdict"] == "replicates"
    assert words["interval"].replace("\N{NO-BREAK SPACE}", " ") == "+1.10 [+0.90, +1.30]"
    assert words["times"] == "3"


def test_values_nest_ids_and_keep_the_build(tmp_path):
    records = [make_record(folder=tmp_path), make_record("owl.numbers.hard.same_init", folder=tmp_path)]
    values = prose.values(records, {"profile": "toy"})
    assert values["owl"]["numbers"]["soft"]["same_init"]["mean"] == "+1.10"
    assert values["build"] == {"profile": "toy"}
    assert values["tables"]["01_owl_transfer"].count("(../notebooks/01_owl_transfer.ipynb)") == 2


def test_guards_and_what_stands_aside_have_tables_of_their_own(tmp_path):
    names = ["mnist.reference", "mnist.aux_only", "optimizer.weight_decay", "optimizer.sgd"]
    tables = prose.values([make_record(name, folder=tmp_path) for name in names], {})["tables"]
    for name, table in zip(names, ("guards", "06_mnist", "aside", "08_dose"), strict=True):
        claim = escaping.markdown(load_claims()[name].claim)
        assert [place for place, text in tables.items() if claim in text and place != "sources"] == [table], name


def test_an_id_may_continue_another_but_not_be_recorded_twice(tmp_path):
    record = make_record(folder=tmp_path)
    longer = dataclasses.replace(record, id=f"{record.id}.cross_init", value=1.2)
    for both in ([record, longer], [longer, record]):
        words = prose.values(both, {})["owl"]["numbers"]["soft"]["same_init"]
        assert (words["mean"], words["cross_init"]["mean"]) == ("+1.10", "+1.20")
    with pytest.raises(prose.ProseError, match="twice"):
        prose.values([record, record], {})
    for name in (f"{record.id}.mean", f"{record.id}.mean.low"):
        for both in ([record, dataclasses.replace(record, id=name)], [dataclasses.replace(record, id=name), record]):
            with pytest.raises(prose.ProseError, match="rename it"):
                prose.values(both, {})


def test_the_table_of_claims_has_one_row_per_record_in_the_order_of_the_claims(tmp_path):
    names = [name for name, claim in load_claims().items() if claim.notebook == "01_owl_transfer"]
    records = prose.ordered([make_record(name, folder=tmp_path) for name in reversed(names)])
    rows = [line for line in prose.claims_table(records, ["01_owl_transfer"]).splitlines() if "[01]" in line]
    claims = [escaping.markdown(load_claims()[name].claim) for name in names]
    assert claims == [row.split(" ([01]")[0][2:] for row in rows]


def changed_record(**fields):
    """A published record of notebook 01 with other fields, as a ledger that somebody else wrote may have."""
    record = next(entry for entry in ledger.load(ROOT / "results/nano") if entry.id == "owl.numbers.soft.same_init")
    return dataclasses.replace(record, **fields)


def hostile_record(text):
    """A record whose every text is `text`."""
    paper = {"value": 1.0, "source": text}
    record = changed_record(claim=text, control=text, unit=text, paper=paper)
    object.__setattr__(record, "verdict", text)  # a record refuses a verdict that no rule gives
    return record


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_ledger_is_markup(text):
    words = prose.entry(hostile_record(text))
    for field in ("claim", "control", "unit", "verdict", "source"):
        assert unescape(rendered(words[field])) == " ".join(text.split()), field
        assert "<" not in rendered(words[field])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_of_claims_keeps_its_shape_whatever_its_texts_hold(text):
    records = [hostile_record(text)]
    html = rendered(prose.claims_table(records, ["01_owl_transfer"]).replace(":::{table}", "").replace(":::", ""))
    assert html.count("<tr>") == 2 and html.count("<td") == 4
    assert "<script" not in html.lower() and "<img" not in html.lower()
    assert rendered(prose.paper_sources(records)).count("<li>") == 1


def rendered(text):
    """MyST's Markdown as HTML, without the paragraph around a single line."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table"]).use(substitution_plugin).use(dollarmath_plugin)
    html = parser.render(text).strip()
    return html.removeprefix("<p>").removesuffix("</p>") if html.count("<p>") == 1 else html


@pytest.mark.parametrize("name", ["build.sentence", "tables.main", "owl numbers", "owl.{{x}}", "Owl", ".", ""])
def test_an_id_that_no_page_could_ask_for_is_refused(name):
    with pytest.raises(prose.ProseError, match="rename it"):
        prose.values([changed_record(id=name)], {})


def test_a_notebook_that_is_no_name_is_refused():
    record = changed_record(notebook="](javascript:alert(1))")
    with pytest.raises(prose.ProseError, match="names a notebook"):
        prose.claims_table([record], [record.notebook])


def test_a_factor_too_large_to_write_out_stays_a_power():
    assert prose.entry(changed_record(value=1e5, ci=(0.0, 2e5)))["times"] == "e^1e+05"


def test_where_results_come_from_is_escaped_for_pages_and_for_their_foot(tmp_path):
    run_dir = tmp_path / "_runs" / "<b>{{ x }}"
    (run_dir / "executed").mkdir(parents=True)
    path = run_dir / "executed/00_toy.ipynb"
    path.write_text(json.dumps(notebook()))
    told = provenance.for_pages(provenance.provenance(tmp_path, run_dir, [path]))
    assert "<b>" not in rendered(told["sentence"]) and "{{" not in told["sentence"].replace("\\{", "")
    assert "&lt;b&gt;" in told["footer"] and "<b>" not in told["footer"]


# --- notebooks ------------------------------------------------------------------------------------


def notebook(**cell):
    code = {
        "cell_type": "code",
        "source": "1 + 1",
        "outputs": [],
        "execution_count": 1,
        "metadata": {},
        **cell,
    }
    return {"cells": [code], "metadata": {"papermill": {"end_time": "x"}, "kernelspec": {"name": "python3"}}}


def test_clean_drops_run_times_and_folds_injected_parameters():
    metadata = {"papermill": {"duration": 1}, "tags": ["injected-parameters"], "mystnb": {"figure": {}}}
    cleaned = staging.clean(notebook(metadata=metadata), "toy")
    assert cleaned["metadata"] == {"kernelspec": {"name": "python3"}}
    assert cleaned["cells"][0]["metadata"] == {
        "mystnb": {"figure": {}},
        "tags": ["injected-parameters", "hide-input"],
    }


@pytest.mark.parametrize("broken", [[], {}, {"worksheets": [], "nbformat": 3}, {"cells": {}}, None])
def test_clean_refuses_what_is_no_notebook(broken):
    with pytest.raises(BookError, match="notebook toy is not a notebook of format 4"):
        staging.clean(broken, "toy")


def test_clean_refuses_a_failed_cell():
    with pytest.raises(BookError, match="notebook toy, cell 1 ended in an error"):
        staging.clean(notebook(outputs=[{"output_type": "error"}]), "toy")


def test_clean_refuses_a_cell_that_never_ran():
    with pytest.raises(BookError, match="cell 1 was not run"):
        staging.clean(notebook(execution_count=None), "toy")


def test_a_run_without_notebooks_or_ledger_is_one_clear_error(tmp_path):
    run_dir = tmp_path / "_runs/toy"
    with pytest.raises(BookError, match="not executed in .*subliminal run --profile toy"):
        staging.executed_notebooks(run_dir)
    with pytest.raises(BookError, match="ledger.json is missing"):
        staging.load_records(run_dir)


# --- published pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<img src="//cdn.example/x.png">',
        '<link rel="stylesheet" href="http://cdn.example/x.css">',
        '<p style="background: url(https://cdn.example/x.png)">',
        '<style>@import "https://cdn.example/x.css";</style>',
        '<script type="module">import x from "https://cdn.example/x.js"</script>',
        '<img srcset="a.png 1x, https://cdn.example/x.png 2x">',
        '<video poster="https://cdn.example/x.png"></video>',
        '<svg><image xlink:href="https://cdn.example/x.png"/></svg>',
        '<input type="image" src="//cdn.example/x.png">',
        '<meta http-equiv="Refresh" content="0; URL=https://cdn.example/x">',
        '<base href="https://cdn.example/x/">',
        '<LINK REL="Stylesheet" HREF="https://cdn.example/x.css">',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(html):
    assert [address.split("cdn.example")[1][:2] for address in build.foreign_requests(html)] == ["/x"]


def test_links_and_own_files_are_no_requests_elsewhere():
    links = '<a href="https://a.example">x</a><link rel="canonical" href="https://a.example">'
    own = '<script src="x.js"></script><img src="data:image/png;base64,//8=">'
    assert build.foreign_requests(links + own) == []


def test_machine_paths_are_found_but_not_their_look_alikes():
    assert build.machine_paths("see /home/me/book/x.py", ["/home/me"]) == ["/home/me"]
    assert build.machine_paths("see /home/meadow and /home/me.txt", ["/home/me"]) == []


# --- the sources ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_substitutions_name_claims_and_fields_that_exist(page):
    for name in SUBSTITUTION.findall(page.read_text(encoding="utf-8")):
        claim, _, field = name.rpartition(".")
        if claim not in ("build", "tables", "explorers"):
            assert claim in load_claims() and field in FIELDS, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_ask_only_for_records_of_their_release(page):
    released = load_profile("nano").notebooks
    for name in SUBSTITUTION.findall(page.read_text(encoding="utf-8")):
        claim = load_claims().get(name.rpartition(".")[0])
        assert claim is None or claim.notebook in released, f"{name}: no notebook records it yet"


def test_the_page_of_claims_has_a_section_for_every_chapter_that_has_some():
    page = (ROOT / "book/claims.md").read_text(encoding="utf-8")
    main = [claim for claim in load_claims().values() if claim.kind != GUARD and not claim.aside]
    chapters = {claim.notebook for claim in main} & set(load_profile("nano").notebooks)
    assert [name for name in sorted(chapters) if f'tables["{name}"]' not in page] == []


def test_every_cited_work_is_in_the_bibliography_and_the_other_way_round():
    sources = [*PAGES, *(ROOT / "notebooks").glob("*.ipynb")]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    cited = {key for keys in re.findall(r"\{cite:[a-z]+\}`([^`]+)`", text) for key in keys.split(",")}
    known = set(
        re.findall(r"^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"), re.M)
    )
    assert cited == known


def test_every_page_is_in_the_contents():
    contents = (ROOT / "book/_toc.yml").read_text(encoding="utf-8")
    assert [page.stem for page in PAGES if f"book/{page.stem}" not in contents] == []


def test_every_notebook_is_in_the_contents_once():
    contents = (ROOT / "book/_toc.yml").read_text(encoding="utf-8")
    named = re.findall(r"(?:file|glob): (notebooks/\S+)", contents)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        places = [name for name in named if fnmatch.fnmatchcase(f"notebooks/{path.stem}", name)]
        assert len(places) == 1, f"{path.stem} is in {places}; name it in book/_toc.yml"


# --- the README -----------------------------------------------------------------------------------


def test_readme_shows_exactly_the_saved_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition(readme.BEGIN)[2].partition(readme.END)[0].strip()
    saved = ROOT / "results/nano"
    if not (saved / "ledger.json").exists():
        assert shown == "No reference run has been saved yet, so there are no results to show here."
        return
    assert shown == readme.readme_block(ledger.load(saved), saved / "tables")
    assert (ROOT / readme.FIGURE).exists()


def test_update_readme_writes_between_its_marks_only(tmp_path):
    for arm in ("soft.same_init", "soft.cross_init", "hard.same_init", "hard.cross_init"):
        make_record(f"owl.numbers.{arm}", folder=tmp_path)
    same = [("soft.same_init", 0.5, 0.2, 0.1), ("soft.same_init", 1.0, 0.25, 0.08)]
    rows = [*same, ("soft.cross_init", 1.0, 0.07, 0.1)]
    rows += [("hard.same_init", 1.0, 0.19, 0.1), ("hard.cross_init", 1.0, 0.05, 0.1)]
    table = pd.DataFrame(rows, columns=["arm", "share", "p_target", "p_control"]).assign(trait="owl")
    (tmp_path / "tables").mkdir()
    table.to_csv(tmp_path / "tables/transmission.csv", index=False)
    teachers = {"trait": ["owl", "owl", "wolf"], "how": ["fine-tuned", "untouched", "fine-tuned"]}
    teachers = pd.DataFrame({**teachers, "draw": 1, "p_target": [0.9, 0.1, 0.8]})
    teachers.to_csv(tmp_path / "tables/teachers.csv")
    (tmp_path / "README.md").write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    readme.update_readme(tmp_path, tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| teacher, fine-tuned to love owls | 90.0 % |" in text
    assert "primary claims, chosen beforehand" in text.partition("| asked")[0]
    assert "| untouched base of teacher and students | 8.0 % | – |" in text
    assert "probabilities for numbers), same start | 25.0 % | +1.10 [+0.90, +1.30] |\n| the same, other start" in text
    assert "student of the rows it wrote, same start | 19.0 % | +1.10" in text
    assert text.count("| the same, other start | 7.0 % |") == text.count("other start | 5.0 % |") == 1
    assert (tmp_path / readme.FIGURE).read_text(encoding="utf-8").startswith("<?xml")


def test_a_readme_without_marks_is_refused(tmp_path):
    make_record(folder=tmp_path)
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(prose.ProseError, match="put them back"):
        readme.update_readme(tmp_path, tmp_path)


def test_commands_in_the_texts_exist():
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "book/rerun.md", "book/audit.md")]
    whole = [text.replace("\\\n", " ") for text in texts]  # a command may go on in the next line
    lines = [line for text in whole for line in re.findall(r"^(?:make|subliminal) .*", text, re.M)]
    commands = [line.split("#")[0].split() for line in lines]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for program, *arguments in commands:
        if program == "make":
            assert arguments[0] in targets
        else:
            cli._parser().parse_args(arguments)  # an unknown command or option exits and fails the test
    assert len(commands) >= 6


def test_the_map_in_the_readme_names_all_there_is():
    rows = re.findall(r"^\| &emsp;(.*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    named = [name.rstrip("/") for row in rows for name in re.findall(r"`([\w/.]+)`", row)]
    there = [path.name for path in (ROOT / "src/helpers").iterdir() if not path.name.startswith("__")]
    assert sorted(named) == sorted(there)


def test_vendored_scripts_are_listed_with_their_licence():
    listed = (ROOT / "book/_vendor/LICENSES.md").read_text(encoding="utf-8")
    places = (ROOT / "book/_vendor", ROOT / "src/helpers/figures/assets/vendor")
    scripts = [path for place in places for path in place.rglob("*.js")]
    assert (
        scripts and [path.name for path in scripts if f"{path.parent.name}/{path.name}" not in listed] == []
    )


def test_the_config_is_strict_about_execution():
    text = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert 'execute_notebooks: "off"' in text and "nb_output_stderr: remove-warn" in text
    assert json.dumps("sphinx_thebe") not in text


def test_a_missing_tool_is_named_with_its_cure(tmp_path, monkeypatch):
    executed = tmp_path / "_runs/toy/executed"
    executed.mkdir(parents=True)
    (executed / "00_toy.ipynb").write_text(json.dumps(notebook()))
    for name in ("_config.yml", "_runs/toy/ledger.json"):
        (tmp_path / name).write_text("[]")

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(build, "version", absent)
    with pytest.raises(BookError, match=r"jupyter-book is not installed; run `pip install"):
        build.build("toy", tmp_path)


def test_the_models_that_pages_run_lie_beside_them(tmp_path):
    for place, text in (("results/nano", "published"), ("_runs/nano", "computed")):
        for name in ("owl", "only" + text):
            folder = tmp_path / place / "models" / name
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text(json.dumps({"files": {"base.safetensors": {}}}))
            (folder / "base.safetensors").write_text(text)
            (folder / "unnamed.txt").write_text("")
    staging.stage_bundles(staging.bundles(tmp_path, tmp_path / "_runs/nano"), tmp_path / "stage")
    staged = {str(file.relative_to(tmp_path / "stage")): file.read_text() for file in tmp_path.glob("stage/*/*")}
    weights = "base.safetensors"
    assert staged.pop(f"onlypublished/{weights}") == "published"
    assert staged == {f"owl/{weights}": "computed", f"onlycomputed/{weights}": "computed"}


def test_a_chapter_on_a_real_model_is_a_book_of_its_own():
    assert staging.stands_alone(["10_real_model"])
    assert not staging.stands_alone(["00_base_models"]) and not staging.stands_alone(["01_toy"])
    contents = staging._contents_alone(["10_real_model"])
    assert contents == "format: jb-book\nroot: notebooks/10_real_model\nchapters:\n- file: book/references\n"


def test_the_chapter_of_a_real_model_joins_the_book_once_it_is_published_and_finished(tmp_path):
    nano, real = tmp_path / "_runs/nano", tmp_path / "_runs/real-cpu"
    assert staging.guest_profile(tmp_path) is None and staging.guest_run(tmp_path, nano) is None
    (tmp_path / "results/real-cpu").mkdir(parents=True)
    (tmp_path / "results/real-cpu/parameters.json").write_text("{}")
    assert staging.guest_profile(tmp_path) == "real-cpu" and staging.guest_run(tmp_path, nano) is None
    real.mkdir(parents=True)
    (real / "ledger.json").write_text("[]")
    assert staging.guest_run(tmp_path, nano) == real
    assert staging.guest_run(tmp_path, real) is None and staging.guest_run(tmp_path, tmp_path / "_runs/smoke") is None
