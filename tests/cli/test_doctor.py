from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import doctor
from cli.doctor import Finding, Mark
from cli.main import app
from core.catalog.migrate import upgrade
from core.jobs.datasets import DATASETS
from core.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


class TestDatabase:
    def test_one_that_is_not_there_yet_is_only_noted(self, settings: Settings) -> None:
        assert only(doctor.database(settings)).mark is Mark.NOTE

    def test_a_current_schema_is_good(self, settings: Settings) -> None:
        upgrade(settings.database)
        assert only(doctor.database(settings)).mark is Mark.GOOD

    def test_a_database_without_the_schema_must_be_migrated(self, settings: Settings) -> None:
        (settings.root / "elasticket.db").touch()
        finding = only(doctor.database(settings))
        assert finding.mark is Mark.BAD
        assert "elasticket migrate" in finding.words

    def test_a_file_that_is_no_database(self, settings: Settings) -> None:
        (settings.root / "elasticket.db").write_bytes(b"not a database" * 100)
        assert only(doctor.database(settings)).mark is Mark.BAD

    def test_a_password_is_never_shown(self) -> None:
        url = "postgresql://user:secret@127.0.0.1:9/none?connect_timeout=2"
        finding = only(doctor.database(Settings(database_url=url)))
        assert finding.mark is Mark.BAD
        assert "secret" not in finding.words


class TestDatasets:
    def test_digits_is_always_there_and_mnist_is_looked_for(self, settings: Settings) -> None:
        marks = {finding.subject: finding.mark for finding in doctor.datasets(settings)}
        assert marks["dataset digits"] is Mark.GOOD
        assert marks["dataset mnist"] is Mark.NOTE

    @pytest.mark.parametrize("layout", DATASETS["mnist"].layouts)
    def test_any_complete_layout_counts(self, settings: Settings, layout: tuple[str, ...]) -> None:
        folder = settings.dataset_directory / "mnist"
        folder.mkdir(parents=True)
        *first, last = layout
        for name in first:
            (folder / name).touch()
        assert {f.subject: f.mark for f in doctor.datasets(settings)}["dataset mnist"] is Mark.NOTE
        (folder / last).touch()
        assert {f.subject: f.mark for f in doctor.datasets(settings)}["dataset mnist"] is Mark.GOOD

    def test_it_says_which_are_not_downloaded(self, settings: Settings) -> None:
        words = {finding.subject: finding.words for finding in doctor.datasets(settings)}
        assert words["dataset svhn"].endswith("downloaded when first used")
        assert words["dataset tiny_imagenet"].endswith("not downloaded: put it there")
        assert words["dataset imagenet"].endswith("not downloaded: put it there")

    def test_cifar10_serves_the_upsampled_one_too(self, settings: Settings) -> None:
        for file in DATASETS["cifar10"].layouts[0]:
            path = settings.dataset_directory / "cifar10" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        words = {finding.subject: finding.words for finding in doctor.datasets(settings)}
        assert words["dataset cifar10_224"] == words["dataset cifar10"]


class TestDisk:
    def test_too_little_room_is_bad(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        assert only(doctor.disk(settings)).mark is Mark.GOOD
        monkeypatch.setattr(doctor, "LEAST_DISK", 2**62)
        assert only(doctor.disk(settings)).mark is Mark.BAD


class TestCommand:
    @pytest.mark.parametrize(("mark", "status"), [(Mark.GOOD, 0), (Mark.NOTE, 0), (Mark.BAD, 1)])
    def test_only_what_is_bad_fails(self, monkeypatch: pytest.MonkeyPatch, mark: Mark, status: int) -> None:
        monkeypatch.setattr(doctor, "CHECKS", [lambda _: [Finding(mark, "subject", "words")]])
        result = CliRunner().invoke(app, ["doctor"])
        assert result.exit_code == status
        assert "subject" in result.stdout
