"""Fuzz readers one after another, each for some minutes, and write what came of it as Markdown.

`python -m bench.fuzz --minutes 30 --out build/fuzz [READER ...]`; without names all of them. Ends by status 1 where
anything was found; what was found lies in OUT/READER/found, and `--again` reads those inputs once more. A run goes on
from the corpus of those before it in the same folder, and the report is of all of them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.fuzz.reader import NAMES, reader

MEMORY_MEGABYTES = 1024
INPUT_SECONDS = 10
LONGEST_INPUT = 16 << 10

_LINE = re.compile(r"^#(?P<inputs>\d+)\s.*?rss: (?P<rss>\d+)Mb", re.M)
_COVERED = re.compile(r"cov: (\d+)")
_INPUTS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_DONE = re.compile(r"^Done \d+ runs in (\d+) second", re.M)


@dataclass(frozen=True)
class Outcome:
    """What came of one reader: RSS in megabytes, early (a quarter through) and at its peak, and what was found.

    Of several runs: all their inputs and seconds, and the memory of the one that took the most.
    """

    reader: str
    inputs: int
    seconds: int
    covered: int
    early_rss: int
    peak_rss: int
    found: list[str]

    def after(self, earlier: Outcome) -> Outcome:
        """This run and those before it; what is found lies in their folder together."""
        most = max(self, earlier, key=lambda one: one.peak_rss)
        return replace(
            most,
            inputs=self.inputs + earlier.inputs,
            seconds=self.seconds + earlier.seconds,
            covered=max(self.covered, earlier.covered),
            found=self.found,
        )


def fuzz(name: str, seconds: float, out: Path) -> Outcome:
    """Fuzz one reader in a process of its own; what came of it, and of the runs before it in this folder."""
    folder = out / name
    found = folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    flags = (
        f"-max_total_time={max(1, round(seconds))}",
        f"-rss_limit_mb={MEMORY_MEGABYTES}",
        f"-timeout={INPUT_SECONDS}",
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
    )
    # By a shell that forks: the peak of memory that libFuzzer reads outlives exec, and would be this process's own.
    forked = ["sh", "-c", '"$@"; exit $?', "sh"]
    command = [*forked, sys.executable, "-m", "bench.fuzz.one", name, str(folder / "corpus"), *flags]
    started = time.monotonic()
    with (folder / "log").open("w", encoding="utf-8", errors="replace") as log:
        ended = subprocess.run(command, stdout=log, stderr=log, check=False, timeout=seconds + 300)
    took = time.monotonic() - started
    text = (folder / "log").read_text("utf-8", "replace")
    names = sorted(path.name for path in found.iterdir())
    if ended.returncode and not names:
        names = [f"ended by status {ended.returncode}; see {folder / 'log'}"]
    outcome = _outcome(name, text, took, names)
    kept = folder / "outcome.json"
    if kept.exists():
        outcome = outcome.after(Outcome(**json.loads(kept.read_text())))
    kept.write_text(json.dumps(asdict(outcome)))
    return outcome


def told(out: Path) -> Iterator[Outcome]:
    """What came of each reader that was ever fuzzed in this folder."""
    for name in NAMES:
        kept = out / name / "outcome.json"
        if kept.exists():
            yield Outcome(**json.loads(kept.read_text()))


def _outcome(name: str, log: str, seconds: float, found: list[str]) -> Outcome:
    lines = [(int(line["inputs"]), int(line["rss"])) for line in _LINE.finditer(log)]
    inputs = max([int(n) for n in _INPUTS.findall(log)] + [n for n, _ in lines], default=0)
    early = next((rss for n, rss in lines if n >= inputs / 4), 0)
    done = _DONE.search(log)
    seconds = int(done[1]) if done else seconds
    covered = max((int(n) for n in _COVERED.findall(log)), default=0)
    peak = max((rss for _, rss in lines), default=0)
    return Outcome(name, inputs, round(seconds), covered, early, peak, found)


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes in Markdown."""
    titles = ("Reader", "Inputs", "Seconds", "Inputs/s", "Edges", "RSS early, MB", "RSS peak, MB", "Found")
    head = f"| {' | '.join(titles)} |\n|---|{6 * '--:|'}---|\n"
    return head + "".join(
        f"| {one.reader} | {one.inputs:,} | {one.seconds:,} | {one.inputs / one.seconds:,.0f} | {one.covered:,} |"
        f" {one.early_rss} | {one.peak_rss} | {', '.join(one.found) or 'nothing'} |\n"
        for one in outcomes
    )


def again(names: Sequence[str], out: Path) -> None:
    """Read what was found once more, so that it is seen, or seen to be mended."""
    for name in names:
        for path in sorted((out / name / "found").glob("*")):
            print(path)
            reader(name).one(path.read_bytes())


def main() -> None:
    """Fuzz what was asked for; the report is written after each reader."""
    parser = argparse.ArgumentParser(prog="bench.fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER", help=", ".join(NAMES))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--again", action="store_true", help="read what was found once more, and no more")
    asked = parser.parse_args()
    names = asked.readers or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no reader {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    if asked.again:
        again(names, asked.out)
        return
    found = False
    for name in names:
        outcome = fuzz(name, asked.minutes * 60, asked.out)
        found |= bool(outcome.found)
        print(table([outcome]).splitlines()[-1], flush=True)
        (asked.out / "report.md").write_text(table(told(asked.out)))
    sys.exit(found)


if __name__ == "__main__":
    main()
