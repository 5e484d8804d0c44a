import itertools

import pytest
from sqlalchemy import func, select, update

from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText
from core.catalog.keys import SCOPES, BadProject, Holder
from core.catalog.tables import ApiKey, SignIn

HOUR = 3600.0


def made(database: Database, project: str = "default", seconds: float | None = None) -> KeyText:
    with database.of(project).write() as session:
        return keys.create(session, "a key", "write", seconds)[1]


def held(database: Database, key: KeyText) -> Holder | None:
    with database.everywhere().read() as session:
        return keys.holder(session, key)


class TestScopes:
    def test_each_allows_what_those_before_it_do(self) -> None:
        for (i, has), (j, needed) in itertools.product(enumerate(SCOPES), repeat=2):
            assert keys.covers(has, needed) == (i >= j)


class TestProjects:
    def test_one_is_entered_once(self, database: Database) -> None:
        with database.everywhere().write() as session:
            assert keys.ensure_project(session, "vision")
            assert not keys.ensure_project(session, "vision")
            assert keys.projects(session) == ["default", "vision"]

    @pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a" * 64, "ä", "../x"])
    def test_other_names_are_refused(self, database: Database, name: str) -> None:
        with pytest.raises(BadProject), database.everywhere().write() as session:
            keys.ensure_project(session, name)


class TestHolder:
    def test_of_a_good_key_it_says_project_and_scope(self, database: Database) -> None:
        key = made(database)
        assert held(database, key) == Holder("default", "write", key.id)

    def test_nothing_of_the_key_but_its_digest_is_kept(self, database: Database) -> None:
        key = made(database)
        with database.read() as session:
            row = session.scalars(select(ApiKey)).one()
            told = " ".join(str(getattr(row, column.key)) for column in ApiKey.__table__.columns)
        assert key.digest in told
        assert key.text.split("_")[2] not in told

    def test_another_secret_under_its_id_is_refused(self, database: Database) -> None:
        key = made(database)
        assert held(database, KeyText(key.id, KeyText.new().text)) is None

    def test_one_that_was_never_made_is_refused(self, database: Database) -> None:
        assert held(database, KeyText.new()) is None

    def test_one_that_expired_is_refused(self, database: Database) -> None:
        assert held(database, made(database, seconds=HOUR)) is not None
        assert held(database, made(database, seconds=-1)) is None

    def test_one_that_was_revoked_is_refused(self, database: Database) -> None:
        key = made(database)
        with database.write() as session:
            row = keys.revoke(session, key.id)
            assert row is not None
            first = row.revoked_at
        assert held(database, key) is None
        with database.write() as session:
            again = keys.revoke(session, key.id)
            assert again is not None
            assert again.revoked_at == first

    def test_another_projects_key_is_not_revoked(self, database: Database) -> None:
        with database.everywhere().write() as session:
            keys.ensure_project(session, "vision")
        key = made(database, "vision")
        with database.write() as session:
            assert keys.revoke(session, key.id) is None
        assert held(database, key) == Holder("vision", "write", key.id)


class TestUse:
    def test_it_is_written_once_a_minute(self, database: Database) -> None:
        key = made(database)

        def last() -> float | None:
            with database.read() as session:
                return session.scalars(select(ApiKey.last_used_at)).one()

        def use() -> None:
            with database.write() as session:
                keys.use(session, key.id)

        assert last() is None
        use()
        first = last()
        assert first is not None
        use()
        assert last() == first
        assert held(database, key).noted  # type: ignore[union-attr]
        with database.write() as session:
            session.execute(update(ApiKey).values(last_used_at=first - 61))
        assert not held(database, key).noted  # type: ignore[union-attr]
        use()
        assert last() >= first  # type: ignore[operator]


class TestSignIn:
    def sign_in(self, database: Database, key: KeyText, seconds: float = HOUR) -> str | None:
        with database.everywhere().write() as session:
            return keys.sign_in(session, key, seconds)

    def who(self, database: Database, secret: str) -> Holder | None:
        with database.everywhere().read() as session:
            return keys.signed_in(session, secret)

    def test_its_secret_stands_for_the_key_and_is_kept_as_a_digest(self, database: Database) -> None:
        key = made(database)
        secret = self.sign_in(database, key)
        assert secret is not None
        assert self.who(database, secret) == Holder("default", "write", key.id)
        with database.read() as session:
            assert secret not in session.scalars(select(SignIn.digest)).one()

    def test_it_ends_when_it_is_ended_expires_or_its_key_is_revoked(self, database: Database) -> None:
        key, other = made(database), made(database)
        ended, expired, revoked = (
            self.sign_in(database, key),
            self.sign_in(database, key, -1),
            self.sign_in(database, other),
        )
        assert ended is not None
        assert expired is not None
        assert revoked is not None
        assert self.who(database, expired) is None
        with database.everywhere().write() as session:
            keys.sign_out(session, ended)
        assert self.who(database, ended) is None
        with database.write() as session:
            keys.revoke(session, other.id)
        assert self.who(database, revoked) is None

    def test_those_that_expired_are_forgotten_at_the_next(self, database: Database) -> None:
        key = made(database)
        self.sign_in(database, key, -1)
        self.sign_in(database, key)
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(SignIn)) == 1

    def test_a_key_that_is_not_good_signs_nobody_in(self, database: Database) -> None:
        assert self.sign_in(database, KeyText.new()) is None

    def test_another_secret_is_nobodys(self, database: Database) -> None:
        assert self.who(database, "x" * 43) is None
