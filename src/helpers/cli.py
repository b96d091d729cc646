"""The command `subliminal`: run the notebooks, build the book, read the ledger, examine the machine.

An error that a person can cure ends as one line and exit code 2, without a traceback; `--debug` shows it all.
Exit codes: 0 good, 1 the ledger (or the machine) is not as it should be, 2 an error, 130 interrupted.
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
from helpers.chain.draws import read_choice
from helpers.chain.profiles import Profile, load_profile, profile_names

Command = Callable[[argparse.Namespace], int]
RESULTS = Path("results")
README_PROFILE = "nano"  # whose results README.md shows
LARGEST_RESULTS = 5_000_000  # bytes of one profile's committed results


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
        # our own errors say what to do; anything else is a defect and keeps its traceback
        if given.debug or not type(error).__module__.startswith("helpers."):
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
    add("book", _book, "build the book of a finished run into _build/html")
    ledger = add("ledger", _ledger, "show the measured claims; exit 1 if one is missing or unsound")
    ledger.add_argument("--against", metavar="FILE", type=Path, help="compare with this ledger.json")
    ledger.add_argument("--save", action="store_true", help="copy the finished run to results/")
    add("doctor", _doctor, "tell what this machine can run, and what to install for the rest", profile=False)
    return parser


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
    run.run_chain(load_profile(given.profile), [Path(name).stem for name in given.only], given.fresh, choice)
    return 0


def _book(given: argparse.Namespace) -> int:
    profile = load_profile(given.profile)
    _require_finished(profile)
    from helpers.book import build

    print(f"the book is {build.build(profile.name, Path.cwd()).relative_to(Path.cwd())}")
    return 0


def _require_finished(profile: Profile) -> None:
    if waiting := run.unfinished(profile):
        what = f"not run yet, or changed since: {', '.join(waiting)}"
        raise run.ChainError(f"{what}; run `subliminal run --profile {profile.name}` first")


def _ledger(given: argparse.Namespace) -> int:
    from helpers.results import ledger

    profile = load_profile(given.profile)
    folder = _ledger_folder(profile.name)
    records = ledger.load(folder / "ledger.json")
    columns = ["value", "95 % interval", "unit", "runs", "paper", "verdict"]
    print(f"{folder}\n{ledger.table(folder)[columns].to_string() if records else 'no records'}")
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
        _require_finished(profile)
        _save(run.RUNS / profile.name, RESULTS / profile.name)
        if profile.name == README_PROFILE:
            from helpers.book.readme import update_readme

            update_readme(Path.cwd(), RESULTS / profile.name)
    return 1 if problems else 0


def _ledger_folder(name: str) -> Path:
    """The profile's own run, or where there is none the reference run that came with the repository."""
    own, reference = run.RUNS / name, RESULTS / name
    return reference if (reference / "ledger.json").exists() and not own.exists() else own


def _save(run_dir: Path, target: Path) -> None:
    """Copy ledger and tables to `target`, replacing what was there, and note what they were made by."""
    from helpers.book.staging import provenance
    from helpers.chain.notebooks import library_versions
    from helpers.work.artifacts import read_bytes, read_json, write_bytes, write_json

    files = [run_dir / "ledger.json", *sorted((run_dir / "tables").glob("*.csv"))]
    if (size := sum(path.stat().st_size for path in files)) > LARGEST_RESULTS:
        raise run.ChainError(
            f"{run_dir} holds {size} bytes of results, more than {LARGEST_RESULTS}; make its tables smaller"
        )
    for old in target.glob("tables/*.csv"):
        old.unlink()
    for path in files:
        write_bytes(target / path.relative_to(run_dir), read_bytes(path))
    keys = {path.stem: read_json(path)["key"] for path in sorted(run_dir.glob("executed/*.key"))}
    origin = provenance(Path.cwd(), run_dir, [run_dir / "executed" / f"{stem}.ipynb" for stem in keys])
    origin = {name: origin[name] for name in ("commit", "date")}
    write_json(target / "made_by.json", {**origin, "versions": library_versions(), "notebook_keys": keys})
    print(f"saved {len(files)} files to {target}")


def _doctor(given: argparse.Namespace) -> int:
    from helpers.chain.doctor import examine

    findings = examine(Path.cwd())
    print("\n".join(finding.line() for finding in findings))
    return 0 if all(finding.enough or not finding.needed for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
