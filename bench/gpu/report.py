"""What a report knows: what was asked for, what every slice worked on, and what came of it."""

from __future__ import annotations

from typing import Any

from bench.gpu.contest import ROUNDS
from bench.gpu.page import page
from bench.gpu.slices import Slice
from bench.gpu.store import Store


class Report:
    """The report in a store's folder, open for the length of a slice; `write` makes what it knows durable.

    Raises `ValueError` where the folder holds a report of something else than `settings`: the figures of one report
    belong together. Only the seeds may grow.
    """

    def __init__(self, store: Store, settings: dict[str, Any], machine: dict[str, Any], spent: Slice) -> None:
        self._store, self._slice = store, spent
        self._data = store.report() or {"slices": [], "trainings": {}}
        before = self._data.setdefault("settings", settings)
        for name, value in settings.items():
            if name != "seeds" and before.get(name) != value:
                raise ValueError(
                    f"{store.folder} holds a report whose {name} is {before.get(name)}, not {value};"
                    " name another folder, or ask for the same"
                )
        before["seeds"] = max(before["seeds"], settings["seeds"])
        self._current: dict[str, Any] = {"machine": machine, "seconds": 0.0, "work": []}
        self._data["slices"].append(self._current)

    @property
    def trainings(self) -> dict[str, Any]:
        """What finished trainings came to, by name."""
        found: dict[str, Any] = self._data["trainings"]
        return found

    @property
    def speed(self) -> dict[str, Any]:
        """The rounds of the comparison, which are all of one machine: begun on another, it begins anew on this."""
        found: dict[str, Any] = self._data.setdefault("speed", {"rounds": []})
        machine = self._current["machine"]
        if len(found["rounds"]) < ROUNDS and found.get("machine") != machine:
            found |= {"machine": machine, "rounds": [], "left_out": {}}
        return found

    def works_on(self, part: str, mode: str) -> None:
        """This slice has begun a part, or goes on with it."""
        self._current["work"].append({"part": part, "mode": mode})
        self.write()

    def write(self, left: list[str] | None = None) -> None:
        """Make durable what is known; `left` names the parts that are still to be run, where that is known."""
        self._current["seconds"] = round(self._slice.spent, 1)
        if left is not None:
            self._data["left"] = left
        self._store.write_report(self._data, page(self._data))
