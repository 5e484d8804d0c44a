from alembic import command
from sqlalchemy import inspect, text

from core.catalog import keys
from core.catalog.database import Database
from core.catalog.migrate import alembic_config, is_current, upgrade
from core.catalog.tables import Job, Project, Result, Run, Study, Ticket, TicketTag

TICKET_FIGURES = [
    *("architecture", "family", "input", "classes", "rewind_step", "prunable", "survivors", "sparsity"),
    *("file_digest", "header_bytes", "payload_bytes"),
]


class TestSchema:
    def test_the_migrations_build_exactly_the_tables_of_the_code(self, database_url: str) -> None:
        command.check(alembic_config(database_url))

    def test_upgrading_twice_changes_nothing(self, database_url: str) -> None:
        upgrade(database_url)
        database = Database(database_url)
        assert is_current(database, database_url)
        database.close()

    def test_downgrading_removes_every_table(self, database_url: str) -> None:
        command.downgrade(alembic_config(database_url), "base")
        database = Database(database_url)
        assert inspect(database.engine).get_table_names() == ["alembic_version"]
        assert not is_current(database, database_url)
        database.close()
        upgrade(database_url)


class TestWhatWasDoneBefore:
    JOB = """
        INSERT INTO jobs (id, kind, state, spec, attempt, max_attempts, last_event)
        VALUES ('j', 'train', 'succeeded', '{}', 1, 5, 0)
    """
    RUN = """
        INSERT INTO runs
        VALUES ('j', 0, 'mlp_1', 'digits', NULL, 0, 0, NULL, 0.5, 0, 12, 1.5, '[]', '{}', 'd')
    """

    def test_old_jobs_answer_nothing_and_old_trainings_were_not_shared_and_both_survive_the_way_back(
        self, database_url: str
    ) -> None:
        command.downgrade(alembic_config(database_url), "0002")
        database = Database(database_url)

        def rows(columns: str) -> list[tuple[object, ...]]:
            with database.engine.connect() as connection:
                query = text(f"SELECT {columns} FROM jobs JOIN runs ON runs.job_id = jobs.id")
                return [tuple(row) for row in connection.execute(query)]

        with database.write() as session:
            for row in (self.JOB, self.RUN):
                session.execute(text(row))
        database.engine.dispose()
        upgrade(database_url)
        assert rows("jobs.id, digest, shared, steps, seconds") == [("j", None, False, 12, 1.5)]
        with database.write() as session:
            session.execute(text("UPDATE jobs SET digest = 'd'"))
            session.execute(text("UPDATE runs SET shared = true"))
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0002")
        assert rows("jobs.id, state, steps, seconds") == [("j", "succeeded", 12, 1.5)]
        columns = {column["name"] for column in inspect(database.engine).get_columns("jobs")}
        assert "digest" not in columns
        database.close()
        upgrade(database_url)


class TestHowFastItWent:
    def test_old_trainings_have_no_speed_and_new_ones_survive_without_theirs(self, database_url: str) -> None:
        command.downgrade(alembic_config(database_url), "0003")
        database = Database(database_url)
        with database.write() as session:
            session.execute(text(TestWhatWasDoneBefore.JOB))
            values = TestWhatWasDoneBefore.RUN.replace("'d')", "'d', false)")
            session.execute(text(values))
        database.engine.dispose()
        upgrade(database_url)
        with database.write() as session:
            run = session.get_one(Run, ("j", 0))
            assert (run.speed, run.steps) == (None, 12)
            run.speed = {"device_seconds": 1.5}
        with database.read() as session:
            assert session.get_one(Run, ("j", 0)).speed == {"device_seconds": 1.5}
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0003")
        assert "speed" not in {column["name"] for column in inspect(database.engine).get_columns("runs")}
        with database.read() as session:
            assert session.execute(text("SELECT steps, shared FROM runs")).all() == [(12, False)]
        database.close()
        upgrade(database_url)


class TestWhatSparsityIsWorth:
    RESULT = """
        INSERT INTO results (job_id, ordinal, dataset, point, correct, total, loss)
        VALUES ('j', 0, 'digits', 'evaluate', 33, 360, 2.4)
    """

    def test_old_results_have_no_latency_and_new_ones_survive_without_theirs(self, database_url: str) -> None:
        command.downgrade(alembic_config(database_url), "0005")
        database = Database(database_url)
        with database.write() as session:
            for row in (TestWhatWasDoneBefore.JOB, self.RESULT):
                session.execute(text(row))
        database.engine.dispose()
        upgrade(database_url)
        with database.write() as session:
            result = session.get_one(Result, ("j", 0))
            assert (result.latency, result.correct) == (None, 33)
            result.latency = {"batches": []}
        with database.read() as session:
            assert session.get_one(Result, ("j", 0)).latency == {"batches": []}
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0005")
        assert "latency" not in {column["name"] for column in inspect(database.engine).get_columns("results")}
        with database.read() as session:
            assert session.execute(text("SELECT correct, total FROM results")).all() == [(33, 360)]
        database.close()
        upgrade(database_url)


class TestStudiesOverDatasets:
    STUDY = """
        INSERT INTO studies (id, spec) VALUES ('s', '{"dataset": "digits", "order": "append", "levels": [2]}')
    """
    ROWS = """
        INSERT INTO study_jobs (study_id, key, position, kind, body) VALUES
        ('s', 'mlp_2/find', 0, 'find', '{"dataset": "digits"}'),
        ('s', 'mlp_3/train', 1, 'train',
         '{"tickets": {"tickets_of": ["mlp_2/find"]}, "p": {"survivors": {"survivors_of": ["mlp_2/find", 0]}}}')
    """

    def test_stored_studies_say_the_same_in_the_new_words_and_back(self, database_url: str) -> None:
        command.downgrade(alembic_config(database_url), "0006")
        database = Database(database_url)
        with database.write() as session:
            for row in (self.STUDY, self.ROWS):
                session.execute(text(row))
        database.engine.dispose()
        upgrade(database_url)
        with database.write() as session:
            study = session.get_one(Study, "s")
            assert study.spec == {"datasets": ["digits"], "orders": ["append"], "levels": [2]}
            assert [row.key for row in study.jobs] == ["digits/mlp_2/find", "digits/mlp_3/train"]
            assert study.jobs[1].body == {
                "tickets": {"tickets_of": ["digits/mlp_2/find"]},
                "p": {"survivors": {"survivors_of": ["digits/mlp_2/find", 0]}},
            }
            study.archive = {}
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0006")
        with database.read() as session:
            keys = session.execute(text("SELECT key FROM study_jobs ORDER BY position")).scalars().all()
            assert keys == ["mlp_2/find", "mlp_3/train"]
        assert "archive" not in {column["name"] for column in inspect(database.engine).get_columns("studies")}
        database.close()
        upgrade(database_url)


class TestProjects:
    """What was there becomes the default project's; on the way back others' things go, and its stay."""

    TABLES = (
        "jobs",
        "studies",
        "tickets",
        "posted_architectures",
        "idempotency_keys",
        "provenance",
        "ticket_tags",
    )
    ROWS = (
        TestWhatWasDoneBefore.JOB,
        "INSERT INTO studies (id, spec) VALUES ('s', '{}')",
        "INSERT INTO events (job_id, seq, attempt, kind, data) VALUES ('j', 1, 0, 'log', '{}')",
        """
        INSERT INTO tickets (id, architecture, family, input, classes, rewind_step, prunable, survivors, sparsity,
                             file_digest, header_bytes, payload_bytes)
        VALUES ('t', 'mlp_1', 'mlp', '[1]', 10, 0, 2, 1, 0.5, 'd', 1, 1)
        """,
        "INSERT INTO ticket_layers VALUES ('t', 0, 'a', '[2]', 2, 1)",
        "INSERT INTO ticket_weights (ticket_id, step, digest) VALUES ('t', 0, 'w')",
        "INSERT INTO ticket_copies (ticket_id, format, digest) VALUES ('t', 'onnx', 'c')",
        "INSERT INTO ticket_tags (ticket_id, tag) VALUES ('t', 'mine')",
        "INSERT INTO provenance (ticket_id, method, job_id, details) VALUES ('t', 'imp', 'j', '{}')",
        "INSERT INTO posted_architectures (name, shape, classes, definition) VALUES ('n', '1x8x8', 10, '{}')",
        "INSERT INTO idempotency_keys (key, scope, fingerprint, status, resource) VALUES ('k', 'POST', 'f', 202, 'j')",
    )

    def test_all_that_was_there_is_the_default_projects_and_only_that_goes_back(
        self, database_url: str
    ) -> None:
        command.downgrade(alembic_config(database_url), "0008")
        database = Database(database_url)
        with database.write() as session:
            for row in self.ROWS:
                session.execute(text(row))
        database.engine.dispose()
        upgrade(database_url)
        with database.write() as session:
            ticket = session.get_one(Ticket, ("default", "t"))
            assert [tag.tag for tag in ticket.tags] == ["mine"]
            assert [(row.method, row.job_id) for row in ticket.provenance] == [("imp", "j")]
            assert [row.digest for row in ticket.weights] == ["w"]
            assert [layer.name for layer in ticket.layers] == ["a"]
        with database.everywhere().write() as session:
            session.add(Project(name="theirs"))
        with database.of("theirs").write() as session:
            session.add(Study(id="theirs", spec={}))
            figures = {name: getattr(ticket, name) for name in TICKET_FIGURES}
            session.add(Ticket(id="t", **figures))
            session.flush()
            session.add(TicketTag(ticket_id="t", tag="theirs"))
            keys.create(session, "a key", "read")
        with database.everywhere().read() as session:
            assert {job.project for job in session.query(Job)} == {"default"}
            assert sorted(row.project for row in session.query(Ticket)) == ["default", "theirs"]
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0008")
        with database.engine.connect() as connection:
            counted = [
                connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() for name in self.TABLES
            ]
            tags = connection.execute(text("SELECT ticket_id, tag FROM ticket_tags")).all()
        assert counted == [1] * len(self.TABLES)
        assert tags == [("t", "mine")]
        tables = inspect(database.engine).get_table_names()
        assert not {"projects", "api_keys", "sign_ins"} & set(tables)
        database.close()
        upgrade(database_url)


class TestTagsInOrder:
    TICKET = """
        INSERT INTO tickets (project, id, architecture, family, input, classes, rewind_step, prunable, survivors,
                             sparsity, file_digest, header_bytes, payload_bytes, created_at)
        VALUES ('default', '{0}', 'mlp_1', 'mlp', '[1]', 10, 0, 2, 1, 0.5, 'd', 1, 1, {1})
    """
    TAG = "INSERT INTO ticket_tags (project, ticket_id, tag) VALUES ('default', '{0}', 'mine')"

    def test_a_tag_takes_its_tickets_time_and_one_of_an_older_version_that_of_the_moment(
        self, database_url: str
    ) -> None:
        command.downgrade(alembic_config(database_url), "0014")
        database = Database(database_url)
        with database.write() as session:
            for ticket, at in (("a", 1.25), ("b", 7.5)):
                session.execute(text(self.TICKET.format(ticket, at)))
                session.execute(text(self.TAG.format(ticket)))
        database.engine.dispose()
        upgrade(database_url)
        with database.write() as session:
            found = session.execute(text("SELECT ticket_id, created_at FROM ticket_tags ORDER BY ticket_id"))
            assert found.all() == [("a", 1.25), ("b", 7.5)]
            session.execute(text(self.TICKET.format("c", 9)))
            session.execute(text(self.TAG.format("c")))
            assert session.get_one(TicketTag, ("default", "c", "mine")).created_at > 9
        database.engine.dispose()
        command.downgrade(alembic_config(database_url), "0014")
        columns = {column["name"] for column in inspect(database.engine).get_columns("ticket_tags")}
        assert columns == {"project", "ticket_id", "tag"}
        with database.read() as session:
            tags = session.execute(text("SELECT ticket_id, tag FROM ticket_tags ORDER BY ticket_id")).all()
        assert tags == [("a", "mine"), ("b", "mine"), ("c", "mine")]
        database.close()
        upgrade(database_url)
