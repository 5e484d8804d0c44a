from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, update

from core.catalog import deletion, ticket_lists, tickets
from core.catalog.database import Database
from core.catalog.tables import Project, Provenance, Ticket, TicketTag
from core.catalog.ticket_lists import TicketFilter

FIGURES: dict[str, Any] = dict(
    architecture="mlp_1",
    family="mlp",
    input=[1, 8, 8],
    classes=10,
    rewind_step=0,
    prunable=4,
    survivors=2,
    sparsity=0.5,
    file_digest="d" * 64,
    header_bytes=1,
    payload_bytes=1,
)


def name(number: int) -> str:
    return f"{number:064x}"


def enter(database: Database, number: int, *tags: str, at: float | None = None, **origin: Any) -> str:
    """A ticket that came at a time of its own, tagged only later than all that came before."""
    identity = name(number)
    with database.write() as session:
        session.add(Ticket(id=identity, created_at=float(number if at is None else at), **FIGURES))
        session.flush()
        session.add(Provenance(ticket_id=identity, **{"method": "imp", "details": {}, **origin}))
    with database.write() as session:
        tickets.tag(session, identity, tags)
    return identity


def listed(database: Database, limit: int = 2, **wanted: Any) -> list[str]:
    """The ids of all pages, one after the other."""
    found: list[str] = []
    after = None
    while True:
        with database.read() as session:
            page = ticket_lists.page(session, limit, after, TicketFilter(**wanted))
        found += [ticket.id for ticket in page.rows]
        after = page.next
        if after is None:
            return found


def names(numbers: Sequence[int]) -> list[str]:
    return [name(number) for number in numbers]


class TestPages:
    def test_the_tickets_of_a_tag_come_by_their_own_time_not_the_tags(self, database: Database) -> None:
        for number in (5, 1, 4, 2, 3):
            enter(database, number, "mine", *(["odd"] if number % 2 else []))
        assert listed(database, tag="mine") == names([5, 4, 3, 2, 1])
        assert listed(database, tag="odd") == names([5, 3, 1])

    def test_tickets_of_one_time_come_by_their_id_and_none_twice(self, database: Database) -> None:
        for number in range(7):
            enter(database, number, "mine", at=1.5)
        assert listed(database, tag="mine") == listed(database) == names([6, 5, 4, 3, 2, 1, 0])

    @pytest.mark.parametrize("few", [0, 2000], ids=["each asked", "looked up"])
    def test_a_tag_goes_with_every_other_filter(
        self, database: Database, few: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ticket_lists, "FEW", few)
        enter(database, 1, "mine", dataset="digits", parent_id=name(9))
        enter(database, 2, "mine", dataset="mnist", method="ett")
        enter(database, 3, dataset="digits")
        enter(database, 4, "mine", "other", dataset="digits")
        assert listed(database, tag="mine", dataset="digits") == names([4, 1])
        assert listed(database, tag="mine", method="ett", family="mlp") == names([2])
        assert listed(database, tag="mine", parent=name(9), dataset="digits") == names([1])
        assert listed(database, tag="mine", sparsity_min=0.6) == []
        assert listed(database, tag="other", architecture="mlp_1", sparsity_max=0.5) == names([4])

    def test_a_tag_that_an_older_version_put_has_a_time_of_its_own_and_loses_no_page(
        self, database: Database
    ) -> None:
        for number in range(1, 6):
            enter(database, number, "mine")
        with database.write() as session:
            session.execute(
                update(TicketTag).where(TicketTag.ticket_id == name(2)).values(created_at=3.5),
                execution_options={"synchronize_session": False},
            )
        assert listed(database, limit=1, tag="mine") == names([5, 4, 2, 3, 1])

    def test_one_that_was_deleted_and_came_again_is_the_newest_of_its_new_tags_alone(
        self, database: Database
    ) -> None:
        enter(database, 1, "mine", "old")
        enter(database, 2, "mine")
        with database.write() as session:
            assert deletion.delete_ticket(session, name(1))
        assert listed(database, tag="mine") == names([2])
        with database.write() as session:
            again = {"deleted_at": None, "created_at": 3.0}
            session.execute(
                update(Ticket).where(Ticket.id == name(1)).values(again),
                execution_options={"with_deleted": True, "synchronize_session": False},
            )
            tickets.tag(session, name(1), ["mine"])
        assert listed(database, tag="mine") == names([1, 2])
        assert listed(database, tag="old") == []

    def test_each_has_its_own_origins_and_tags_in_order(self, database: Database) -> None:
        enter(database, 1, "b", "a", dataset="digits", seed=3)
        enter(database, 2, "c")
        with database.write() as session:
            session.add(Provenance(ticket_id=name(1), method="upload", details={"x": [1]}))
        with database.read() as session:
            second, first = ticket_lists.page(session, 10).rows
        assert [(row.method, row.dataset, row.seed, row.details) for row in first.provenance] == [
            ("imp", "digits", 3, {}),
            ("upload", None, None, {"x": [1]}),
        ]
        assert ([row.tag for row in first.tags], [row.tag for row in second.tags]) == (["a", "b"], ["c"])
        assert (first.input, first.created_at) == ([1, 8, 8], 1.0)


class TestOfOthers:
    @pytest.fixture
    def theirs(self, database: Database) -> Database:
        """Another project that has the same ticket, and one more."""
        enter(database, 1, "ours")
        with database.everywhere().write() as session:
            session.execute(insert(Project).values(name="theirs"))
        theirs = database.of("theirs")
        enter(theirs, 1, "theirs", dataset="digits", parent_id=name(9))
        enter(theirs, 2, "theirs", dataset="digits")
        return theirs

    @pytest.mark.parametrize("few", [0, 2000], ids=["each asked", "looked up"])
    def test_no_page_tells_anything(
        self, database: Database, theirs: Database, few: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ticket_lists, "FEW", few)
        assert listed(database) == names([1])
        for wanted in ({"tag": "theirs"}, {"dataset": "digits"}, {"parent": name(9)}):
            assert listed(database, **wanted) == []
            assert name(1) in listed(theirs, **wanted)

    def test_nor_does_a_ticket_that_both_have(self, database: Database, theirs: Database) -> None:
        with database.read() as session:
            ticket = ticket_lists.one(session, name(1))
            assert ticket is not None
            assert [row.tag for row in ticket.tags] == ["ours"]
            assert [row.dataset for row in ticket.provenance] == [None]
            assert ticket_lists.one(session, name(2)) is None
