"""What a person sees while the chain runs: in a terminal two bars (chain, notebook), elsewhere one line per event."""

from __future__ import annotations

import sys
import time
from typing import Any

from helpers.chain.profiles import Profile
from helpers.chain.steps import Step


def _expected(profile: Profile, steps: list[Step]) -> str:
    """Return how long the whole chain takes where that was measured, else which draws were named, or found as new."""
    asked = {step.choice.word for step in steps}
    if asked == {"one"} and profile.one_minutes:
        return f"; one draw of the whole chain takes about {profile.one_minutes:g} minutes"
    if asked <= {"one", "all"}:
        return f"; the whole chain takes about {profile.minutes:g} minutes"
    seeds = sorted({seed for step in steps for seed in step.choice.seeds})
    return f"; draws {', '.join(map(str, seeds))}" if seeds else ""


class Report:
    """What the person sees: in a terminal two bars (chain, notebook), elsewhere one line per event."""

    SECONDS_BETWEEN_LINES = 60

    def __init__(self, profile: Profile, steps: list[Step], todo: list[Step]) -> None:
        self._live = sys.stderr.isatty()
        self._places = {step.stem: place for place, step in enumerate(steps, start=1)}
        self._total, self._done = len(steps), len(steps) - len(todo)
        self._said = 0.0
        self._bars: list[Any] = []
        if not todo:
            print(f"{self._total} notebooks unchanged, nothing to run ({steps[0].run_dir})")
        else:
            ahead = f"{len(todo)} of {self._total} notebooks to run"
            print(f"profile {profile.name}: {ahead}{_expected(profile, steps)}", flush=True)

    def __enter__(self) -> Report:
        if self._live and self._done < self._total:
            from tqdm import tqdm

            chain = "{desc} |{bar}| {n_fmt} of {total_fmt} notebooks, {elapsed}"
            notebook = "  {desc} |{bar}| {n_fmt} of {total_fmt}, {remaining} left"
            self._bars = [
                tqdm(total=self._total, initial=self._done, position=0, bar_format=chain),
                tqdm(total=1, position=1, leave=False, bar_format=notebook),
            ]
        return self

    def __exit__(self, *exception: object) -> None:
        for shown in reversed(self._bars):
            shown.close()

    def start(self, stem: str) -> None:
        """A notebook starts."""
        self._said = time.monotonic()
        if self._bars:
            self._bars[0].set_description_str(stem)
            self.show("starting", 0, 1)
        else:
            print(f"[{self._places[stem]}/{self._total}] {stem} ...", flush=True)

    def show(self, label: str, done: int, total: int | None) -> None:
        """The running notebook's own bar stands at `done` of `total`."""
        if self._bars:
            shown = self._bars[1]
            if shown.desc != label:
                shown.reset()
                shown.set_description_str(label, refresh=False)
            shown.total, shown.n = total, done
            for line in self._bars:
                line.refresh()
        elif time.monotonic() - self._said > self.SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            print(f"      {label}: {done}" + (f" of {total}" if total else ""), flush=True)

    def finish(self, stem: str, seconds: float) -> None:
        """A notebook ran to its end."""
        self._done += 1
        if self._bars:
            self._bars[0].update(self._done <= self._total)
        self._print(f"[{self._places[stem]}/{self._total}] {stem} done in {seconds:.0f} s")

    def failure(self, source: str, traceback: str) -> None:
        """A cell failed: show it and the end of its traceback."""
        last = "\n".join(traceback.splitlines()[-30:])
        self._print(f"\nThe failing cell:\n{source}\n\n{last}\n")

    def _print(self, text: str) -> None:
        if self._bars:
            self._bars[0].write(text)
        else:
            print(text, flush=True)
