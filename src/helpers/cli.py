"""The command `subliminal`: run the notebooks, build the book, read the ledger, examine the machine.

An error that a person can cure ends as one line and exit code 2, without a traceback; `--debug` shows it all.
Exit codes: 0 good, 1 the ledger (or the machine) is not as it should be, 2 an error, 3 an audit's detector lies above
the limit, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import __version__
from helpers.chain import run
from helpers.chain.clusters import read_cluster
from helpers.chain.draws import read_choice
from helpers.chain.profiles import Profile, load_profile, profile_names
from helpers.chain.steps import with_needs
from helpers.work.artifacts import RESULTS, RUNS
from helpers.work.errors import CurableError

Command = Callable[[argparse.Namespace], int]
README_PROFILE = "nano"  # whose results README.md shows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process) and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.in_repository:
            _enter_repository()
        return given.command(given)
    except KeyboardInterrupt:
        again = " ".join(["subliminal", *(sys.argv[1:] if arguments is None else arguments)])
        print(f"\nsubliminal: interrupted; finished work is kept, go on with `{again}`", file=sys.stderr)
        return 130
    except Exception as error:
        # such an error says what to do; anything else is a defect and keeps its traceback
        if given.debug or not isinstance(error, CurableError):
            raise
        print(f"subliminal: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="subliminal", description="Subliminal learning, reproduced.")
    parser.add_argument("--version", action="version", version=f"subliminal-book {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    profiles = f"{', '.join(profile_names())}; `subliminal doctor` tells what each is"

    def add(name: str, function: Command, text: str, profile: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function, in_repository=profile)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if profile:
            command.add_argument("--profile", default="nano", help=f"the size of the run ({profiles})")
        return command

    run = add("run", _run, "run the notebooks that changed, in order")
    run.add_argument("--only", nargs="+", default=[], metavar="NOTEBOOK", help="these and what they need")
    run.add_argument("--fresh", action="store_true", help="forget earlier work of this profile first")
    words = "draws to compute here: one (default), all, none, new, or seeds such as 701,702; others come from results/"
    run.add_argument("--draws", default="one", metavar="DRAWS", help=words)
    words = "compute on a Dask cluster: tcp://HOST:PORT of its scheduler, or a file such as clusters/slurm.yaml"
    run.add_argument("--cluster", default="", metavar="CLUSTER", help=words)
    plan = add("plan", _plan, "what a run will take, before anything starts: rows, tokens, FLOPs, memory, hours")
    plan.add_argument("--only", nargs="+", default=[], metavar="NOTEBOOK", help="these and what they need")
    plan.add_argument("--draws", default="one", metavar="DRAWS", help="draws to compute, as for run")
    plan.add_argument("--workers", type=int, default=0, metavar="N", help="side by side (default: one a core)")
    plan.add_argument("--price", type=float, default=0.0, metavar="MONEY", help="of one worker for an hour")
    book = add("book", _book, "build the book of a finished run into _build/html")
    book.add_argument("--pdf", action="store_true", help="print it to PDF as well, beside the pages (needs Chromium)")
    ledger = add("ledger", _ledger, "show the measured claims; exit 1 if one is missing or unsound")
    ledger.add_argument("--against", metavar="FILE", type=Path, help="compare with this ledger.json")
    ledger.add_argument("--save", action="store_true", help="publish the draws of the finished run in results/")
    add("check", _check, "compare what was recomputed with what is published; exit 1 if a value does not agree")
    add("doctor", _doctor, "tell what this machine can run, and what to install for the rest", profile=False)
    _add_audit(add)
    return parser


def _add_audit(add: Callable[..., argparse.ArgumentParser]) -> None:
    text = "what detectors see in your own JSONL of prompts and completions; exit 3 above the limit of --fail-above"
    command = add("audit", _audit, text, profile=False)
    command.add_argument("data", metavar="DATA.jsonl", type=Path, help="one JSON object a line, gzip allowed")
    command.add_argument("--reference", metavar="FILE", type=Path, help="rows of another author, to compare with")
    command.add_argument("--base", metavar="MODEL", default="", help="a model that finds rows likely or not")
    command.add_argument("--student", metavar="MODEL", default="", help="a model trained on DATA; needs --base")
    command.add_argument("--words", metavar="WORD,...", default="", help="words and numbers to look for, or @FILE")
    command.add_argument("--prompt-column", metavar="NAME", default="", help="where rows are not in a known form")
    command.add_argument("--completion-column", metavar="NAME", default="", help="the same for what was answered")
    command.add_argument("--bags", metavar="K,...", default="1,8,16,64", help="sizes of bags; 1 is single rows")
    command.add_argument("--sample", metavar="ROWS", type=int, default=20_000, help="read by detectors that learn")
    command.add_argument("--model-rows", metavar="ROWS", type=int, default=2000, help="read by models")
    command.add_argument("--seed", type=int, default=0, help="of the split by prompt, the bags and the swaps")
    command.add_argument("--folder", metavar="FOLDER", type=Path, default=RUNS / "audit", help="for unfinished work")
    command.add_argument("--report", metavar="FILE.html", type=Path, help="write a page with figures")
    command.add_argument("--json", action="store_true", help="print everything as JSON instead of lines")
    limit = "exit 3 if an interval lies above it, or as far below 0.5"
    command.add_argument("--fail-above", metavar="AUROC", type=float, help=limit)


def _enter_repository() -> None:
    here = Path.cwd()
    root = next((place for place in (here, *here.parents) if (place / run.NOTEBOOKS).is_dir()), None)
    if root is None:
        raise run.ChainError(f"{here} is not inside the book's repository; change to its folder first")
    os.chdir(root)


def _run(given: argparse.Namespace) -> int:
    # a scheduler ends a job with SIGTERM: stop as cleanly as after Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    choice = read_choice(given.draws)
    cluster = read_cluster(given.cluster) if given.cluster else None
    only = [Path(name).stem for name in given.only]
    run.run_chain(load_profile(given.profile), only, given.fresh, choice, cluster)
    return 0


def _plan(given: argparse.Namespace) -> int:
    from helpers.chain.fits import require_fit
    from helpers.chain.planning import lines, plan_run
    from helpers.work.machine import find_card

    profile, only = load_profile(given.profile), [Path(name).stem for name in given.only]
    steps = with_needs(run.plan(profile, read_choice(given.draws)), only)
    print("\n".join(lines(plan_run(profile, steps, given.workers), given.price)))
    require_fit(profile, find_card())  # after the plan, which may be for another machine
    return 0


def _book(given: argparse.Namespace) -> int:
    profile = load_profile(given.profile)
    _require_finished(profile)
    from helpers.book import build, machine
    from helpers.chain.check import check, table
    from helpers.results.published import PublishedRun
    from helpers.work.artifacts import write_json

    is_published = PublishedRun(RESULTS / profile.name).all_parameters()
    write_json(RUNS / profile.name / machine.CHECK, table(check(profile)) if is_published else [])
    _run_guest(profile)
    index = build.build(profile.name, Path.cwd()).relative_to(Path.cwd())
    print(f"the book is {index}")
    if given.pdf:
        from helpers.book.paper import print_book

        print(f"on paper it is {print_book(index.parent)}")
    return 0


def _run_guest(profile: Profile) -> None:
    """Let chapters of a real model show their published rows, for the book that they join.

    One that nobody has published is left out: it would compute all its draws.
    """
    from helpers.book.staging import BOOK_PROFILE, guest_profile
    from helpers.chain.draws import read_choice
    from helpers.results.published import PublishedRun

    name = guest_profile(Path.cwd()) if profile.name == BOOK_PROFILE else None
    if name is None:
        return
    guest, published = load_profile(name), PublishedRun(RESULTS / name).all_parameters()
    if waiting := [stem for stem in run.unfinished(guest) if stem in published]:
        run.run_chain(guest, only=waiting, choice=read_choice("none"))


def _require_finished(profile: Profile) -> None:
    if waiting := run.unfinished(profile):
        what = f"not run yet, or changed since: {', '.join(waiting)}"
        raise run.ChainError(f"{what}; run `subliminal run --profile {profile.name}` first")


def _ledger(given: argparse.Namespace) -> int:
    from helpers.results import ledger

    profile = load_profile(given.profile)
    folder = _ledger_folder(profile.name)
    records = ledger.load(folder / "ledger.json")
    columns = ["value", "95 % interval", "unit", "runs", "paper", "kind", "verdict"]
    shown = ledger.table(folder) if records else None
    print(folder if records else f"{folder}\nno records")
    for title, ids in shown.sections().items() if shown is not None else ():
        if ids:
            print(f"\n{title}\n{shown.loc[ids, columns].to_string()}")
    problems = [f"{name}: no record; run its notebook" for name in ledger.missing(records, profile.notebooks)]
    problems += ledger.check(records)
    if given.against:
        compared = ledger.compare(ledger.load(given.against), records)
        print(f"\n{given.against} (first) and {folder} (second)\n{compared.to_string(index=False)}")
        unlike = compared[~compared["agreement"].isin(["identical", "consistent"])]
        problems += [f"{row.id}: {row.agreement}" for row in unlike.itertuples()]
    for problem in problems:
        print(f"subliminal: {problem}", file=sys.stderr)
    if given.save and not problems:
        _publish(profile)
    return 1 if problems else 0


def _publish(profile: Profile) -> None:
    from helpers.book.provenance import provenance
    from helpers.book.readme import update_readme
    from helpers.book.staging import executed_notebooks
    from helpers.chain.publish import publish

    _require_finished(profile)
    run_dir = RUNS / profile.name
    folder = publish(profile, provenance(Path.cwd(), run_dir, executed_notebooks(run_dir)))
    print(f"published in {folder}")
    if profile.name == README_PROFILE:
        update_readme(Path.cwd(), folder)


def _check(given: argparse.Namespace) -> int:
    from helpers.chain.check import check, report

    checked = check(load_profile(given.profile))
    print("\n".join(report(checked)))
    if not any(one.comparison.draws for one in checked):
        print("nothing was recomputed, so there is nothing to compare")
    return 1 if any(one.comparison.unlike for one in checked) else 0


def _ledger_folder(name: str) -> Path:
    """The profile's own run, or where there is none the reference run that came with the repository."""
    own, reference = RUNS / name, RESULTS / name
    return reference if (reference / "ledger.json").exists() and not own.exists() else own


def _doctor(given: argparse.Namespace) -> int:
    from helpers.chain.doctor import examine

    findings = examine(Path.cwd())
    print("\n".join(finding.line() for finding in findings))
    return 0 if all(finding.enough or not finding.needed for finding in findings) else 1


def _audit(given: argparse.Namespace) -> int:
    from helpers.detection import options, wording
    from helpers.detection.audit import audit

    found = audit(options.settings(given))
    print(wording.as_json(found) if given.json else "\n".join(wording.lines(found)))
    if given.report:
        from helpers.figures.audit_page import write_page

        write_page(given.report, found.plain())
    apart = found.apart(given.fail_above) if given.fail_above is not None else []
    for name in apart:
        print(f"subliminal: {name} tells the files apart beyond {given.fail_above:g}", file=sys.stderr)
    return 3 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
