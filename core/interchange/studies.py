"""Opens the archive of a study that a stranger sent: every file in it is named, counted and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from core.interchange.archives import HEAD_BYTES, guess_container, unpack
from core.interchange.failure import Unreadable
from core.studies.archive import HISTORIES, README, STUDY, SUFFIX, TABLE, TICKETS, StudyArchive, ticket_member
from core.tickets import InvalidTicket, TicketFile, read, strict_json, ticket_id
from core.tickets.failure import quoted
from core.tickets.metadata import check_tree

LARGEST_STUDY = 16 << 20
"""Bytes of `study.json`: parsed, it takes up to thirty times as much memory."""
DEEPEST = 32

_TICKET = re.compile(f"{TICKETS}([0-9a-f]{{64}}){re.escape(SUFFIX)}")
_WORDS = (STUDY, HISTORIES, TABLE, README)
_MEMBERS = ", ".join((*_WORDS, f"{TICKETS}ID{SUFFIX}"))


class BadArchive(ValueError):
    """A file that is no study's archive: what is wrong, where, and what would be accepted there."""

    def __init__(self, what: str, where: str, accepted: str) -> None:
        super().__init__(f"{what} at {where}; accepted: {accepted}")
        self.what = what
        self.where = where
        self.accepted = accepted


@dataclass(frozen=True)
class OpenedStudy:
    """What an archive says, and where its tickets were unpacked to, by id."""

    archive: StudyArchive
    paths: dict[str, Path]

    def tickets(self) -> Iterator[tuple[str, TicketFile]]:
        """Every ticket, read and checked, one by one; raises `BadArchive` where one is not what its id says."""
        for identity, path in self.paths.items():
            where = ticket_member(identity)
            try:
                file = read(path)
            except InvalidTicket as problem:
                what = problem.failure.replace("-", " ")
                raise BadArchive(what, f"{where}, {problem.where}", problem.accepted) from None
            if file.ticket.architecture.definition:
                raise BadArchive(
                    "a posted architecture", where, "tickets of the networks that a study may name"
                )
            if (found := ticket_id(file.ticket)) != identity:
                raise BadArchive(f"the ticket is {found}", where, "the ticket that the name says")
            yield identity, file


def open_study(path: Path, scratch: Path, limit: int) -> OpenedStudy:
    """Unpack an archive's `study.json` and tickets into `scratch`, at most `limit` bytes; raises `BadArchive`."""
    with path.open("rb") as stream:
        if guess_container(stream.read(HEAD_BYTES)) != "zip":
            raise BadArchive(
                "no zip archive", "byte 0", "a study's archive, as GET /studies/ID/archive sends it"
            )
    unknown: list[str] = []

    def wanted(name: str) -> bool:
        if name not in _WORDS and not _TICKET.fullmatch(name):
            unknown.append(name)
        return name == STUDY or name.startswith(TICKETS)

    try:
        files = unpack(path, "zip", scratch, limit, wanted)
    except Unreadable as problem:
        raise BadArchive(problem.reason.replace("-", " "), problem.where, problem.accepted) from None
    if unknown:
        raise BadArchive("an unknown file", quoted(unknown[0]), _MEMBERS)
    if STUDY not in files:
        raise BadArchive("the file is missing", STUDY, f"an archive with a {STUDY}")
    archive = _study(files.pop(STUDY))
    paths = {name.removeprefix(TICKETS).removesuffix(SUFFIX): path for name, path in files.items()}
    listed = set(archive.tickets)
    for identity in sorted(listed ^ paths.keys()):
        what, accepted = (
            ("the file is missing", "every ticket that is listed")
            if identity in listed
            else ("an unlisted ticket", f"the tickets that {STUDY} lists")
        )
        raise BadArchive(what, ticket_member(identity), accepted)
    return OpenedStudy(archive, paths)


def _study(path: Path) -> StudyArchive:
    if path.stat().st_size > LARGEST_STUDY:
        raise BadArchive("too large", STUDY, f"at most {LARGEST_STUDY} bytes")
    try:
        given = strict_json.loads(path.read_text("utf-8"), STUDY)
        check_tree(given, DEEPEST)
        archive = StudyArchive.model_validate(given)
    except UnicodeDecodeError as problem:
        raise BadArchive("not UTF-8", f"{STUDY}, byte {problem.start}", "JSON (RFC 8259)") from None
    except InvalidTicket as problem:
        raise BadArchive(problem.failure.replace("-", " "), problem.where, problem.accepted) from None
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        where = "".join(f"/{str(part)[:80]}" for part in first["loc"])
        raise BadArchive(quoted(first["msg"]), f"{STUDY}, {quoted(where)}", "elasticket-study/1") from None
    except ValueError as problem:
        raise BadArchive("nested too deep, or a NUL character", STUDY, str(problem)) from None
    _check_references(archive)
    return archive


def _check_references(archive: StudyArchive) -> None:
    if len(set(archive.tickets)) != len(archive.tickets):
        raise BadArchive("a ticket listed twice", f"{STUDY}, /tickets", "each once")
    listed, keys = set(archive.tickets), set()
    for n, job in enumerate(archive.jobs):
        where = f"{STUDY}, /jobs/{n}"
        if job.key in keys:
            raise BadArchive("a key used twice", f"{where}/key", "each once")
        keys.add(job.key)
        if missing := next((identity for identity in job.tickets if identity not in listed), None):
            raise BadArchive(
                f"ticket {missing}, which is not listed", f"{where}/tickets", "those of /tickets"
            )
        for m, run in enumerate(job.runs):
            if run.fingerprint >= len(archive.fingerprints):
                accepted = f"a number below {len(archive.fingerprints)}"
                raise BadArchive("no such fingerprint", f"{where}/runs/{m}/fingerprint", accepted)
