"""A report's folder: everything that one slice leaves to the next, in plain files that are whole or not there."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from pathlib import Path
from typing import Any

from core.tickets import InvalidTicket, Metadata, Ticket, read, ticket_id, write
from core.training.checkpoint import CheckpointInvalid, TrainingState, read_state, write_state

log = logging.getLogger(__name__)

KEPT = 2
"""States of a training in progress: the latest, and the one before in case the latest is torn."""


class Store:
    """`report.json` and `report.md`; `states`: of the training in progress; `weights`: of the finished ones.

    States carry their SHA-256 in their names; finished weights are ticket files, and the report has their identities.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._states, self._weights = folder / "states", folder / "weights"
        for needed in (self._states, self._weights):
            needed.mkdir(parents=True, exist_ok=True)
        for torn in folder.rglob("*.part"):
            torn.unlink()

    def report(self) -> dict[str, Any]:
        """What was measured so far. Raises `ValueError` where the file is none of ours."""
        path = self.folder / "report.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ValueError(f"{path} is no report: {error}; name another folder") from error
        return found

    def write_report(self, report: dict[str, Any], page: str) -> None:
        """Put both forms of the report in place."""
        _put(self.folder / "report.json", (json.dumps(report, indent=1) + "\n").encode())
        _put(self.folder / "report.md", page.encode())

    def save(self, training: str, state: TrainingState) -> None:
        """Keep a state of the training in progress, and drop all but the latest two."""
        stream = io.BytesIO()
        write_state(state, stream)
        digest = hashlib.sha256(stream.getvalue()).hexdigest()
        _put(self._states / f"{training}.{state.step:08}.{digest}.safetensors", stream.getvalue())
        for old in self._found(training)[KEPT:]:
            old.unlink()

    def state(self, training: str) -> TrainingState | None:
        """The most advanced state that is whole."""
        for path in self._found(training):
            try:
                if hashlib.sha256(path.read_bytes()).hexdigest() != path.name.split(".")[2]:
                    raise CheckpointInvalid(f"{path}: not the bytes that were written")
                return read_state(path)
            except CheckpointInvalid as error:
                log.warning("left out: %s", error)
        return None

    def finish(self, training: str, ticket: Ticket) -> str:
        """Keep a finished training's surviving weights; their identity."""
        stream = io.BytesIO()
        write(ticket, Metadata(), stream)
        _put(self._path(training), stream.getvalue())
        return ticket_id(ticket)

    def finished(self, training: str, identity: str) -> Ticket | None:
        """What `finish` kept under this identity, if it is whole."""
        try:
            ticket = read(self._path(training)).ticket
        except (InvalidTicket, OSError) as error:
            log.warning("%s is trained anew: %s", training, error)
            return None
        if ticket_id(ticket) != identity:
            log.warning("%s is trained anew: %s is another ticket", training, self._path(training))
            return None
        return ticket

    def forget_states(self, training: str) -> None:
        """Drop the states of a training that is finished."""
        for path in self._found(training):
            path.unlink()

    def _path(self, training: str) -> Path:
        return self._weights / f"{training}.ticket.safetensors"

    def _found(self, training: str) -> list[Path]:
        return sorted(self._states.glob(f"{training}.*.safetensors"), reverse=True)


def _put(path: Path, content: bytes) -> None:
    """Durable before it has its name: a killed process or machine leaves the old file or the new one."""
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
