from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


class TestDocument:
    def test_lists_every_setting_with_its_default_and_its_description(self) -> None:
        listed = re.findall(r"^\| `ELASTICKET_(\w+)` \| (.*?) ?\| (.*) \|$", DOCUMENT, re.MULTILINE)
        known = {"slots": "one per core"}
        expected = [
            (
                name.upper(),
                known.get(name, f"`{field.default}`" if field.default not in (None, "") else ""),
                field.description or "port the API listens on",
            )
            for name, field in Settings.model_fields.items()
        ]
        assert listed == expected


class TestStrangers:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_on_this_machine_nobody_needs_a_key(self, host: str) -> None:
        assert Settings(host=host).auth == "none"

    @pytest.mark.parametrize(
        "host", ["0.0.0.0", "::", "", "192.168.0.7", "example.org", "localhost.example.org"]
    )
    def test_elsewhere_they_do_unless_it_is_said_that_anyone_may(self, host: str) -> None:
        with pytest.raises(ValidationError, match="ELASTICKET_AUTH=keys"):
            Settings(host=host)
        said: list[dict[str, Any]] = [{"auth": "keys"}, {"allow_anyone": True}]
        for more in said:
            assert Settings(host=host, **more).host == host


class TestArtifacts:
    def test_they_lie_in_the_home_in_a_directory_or_in_a_bucket(self, tmp_path: Path) -> None:
        found = {
            given: (made.bucket, made.artifact_location, str(made.scratch_directory))
            for given in (None, "/mnt/shared", "s3://tickets/production")
            for made in [Settings(home=tmp_path, artifacts=given)]
        }
        home = str(tmp_path)
        assert found == {
            None: (None, f"{home}/artifacts", f"{home}/artifacts/scratch"),
            "/mnt/shared": (None, "/mnt/shared", "/mnt/shared/scratch"),
            "s3://tickets/production": (*["s3://tickets/production"] * 2, f"{home}/cache/scratch"),
        }

    @pytest.mark.parametrize("given", ["s3://", "s3:///prefix"])
    def test_a_bucket_has_a_name(self, given: str) -> None:
        with pytest.raises(ValidationError, match="s3://BUCKET/PREFIX"):
            Settings(artifacts=given)
