"""The same work in several processes at once, piece by piece, every piece begun together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from bench.layouts import Layout

_END_SECONDS = 30.0


class FleetDied(RuntimeError):
    """A process of a fleet ended before it answered; its standard error says why."""


class Gate:
    """A process's side: reports a piece as done, then holds it until the fleet may begin the next.

    The first piece is run unasked: it warms up. A closed standard input ends the process.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self, **found: Any) -> None:
        """Report how long the piece took, and whatever it found; return when the next is due."""
        seconds = time.perf_counter() - self._began
        print(json.dumps({"seconds": seconds, **found}), flush=True)
        if not sys.stdin.readline():
            sys.exit()
        self._began = time.perf_counter()


class Fleet:
    """The parent's side: as many processes of a module as the layout says, warm when this returns."""

    def __init__(self, module: str, work: Mapping[str, Any], layout: Layout) -> None:
        command = [sys.executable, "-m", module, json.dumps({**work, **layout.as_json()})]
        self._name = f"{module} in {layout}"
        self._processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=layout.environment,
                text=True,
                bufsize=1,
            )
            for _ in range(layout.processes)
        ]
        self._answers()

    def run(self) -> list[dict[str, Any]]:
        """Run one piece in every process; what each found, `seconds` with it."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
        return self._answers()

    def _answers(self) -> list[dict[str, Any]]:
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                self.close()
                raise FleetDied(f"{self._name} ended early")
            answers.append(json.loads(line))
        return answers

    def close(self) -> None:
        """End every process."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
