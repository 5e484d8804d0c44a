"""The compose file, checked against the compose specification; no container engine is needed."""

import tomllib
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose, PyOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()


@pytest.fixture
def services() -> dict[str, dict]:
    return yaml.safe_load(TEXT)["services"]


class TestComposeFile:
    def test_follows_the_compose_specification(self) -> None:
        options = PyOptions()
        options.apply_merge = True
        compose = options.from_yaml(TEXT)
        compose.validate()
        assert set(compose.service_names()) == {"migrate", "api", "worker", "postgres", "valkey"}

    def test_the_check_itself_refuses_what_the_specification_does_not_know(self) -> None:
        with pytest.raises(ValueError, match="restrat"):
            PyCompose.from_yaml("services:\n  api:\n    image: x\n    restrat: always\n")

    def test_every_command_is_one_of_the_console_script(self, services: dict[str, dict]) -> None:
        from typer.main import get_command

        from cli.main import app

        known = set(get_command(app).commands)  # type: ignore[attr-defined]
        own = {name: service["command"] for name, service in services.items() if "build" in service}
        assert set(own) == {"migrate", "api", "worker"}
        assert all(command[0] in known for command in own.values())

    def test_every_setting_is_one_that_the_program_reads(self, services: dict[str, dict]) -> None:
        from core.settings import Settings

        known = {f"ELASTICKET_{name.upper()}" for name in Settings.model_fields}
        for service in services.values():
            if "build" in service:
                assert set(service["environment"]) <= known

    def test_no_port_is_open_beyond_this_machine(self, services: dict[str, dict]) -> None:
        published = [port for service in services.values() for port in service.get("ports", [])]
        assert published == ["127.0.0.1:8000:8000"]


class TestDockerfile:
    def test_copies_every_package_that_is_installed(self) -> None:
        copied = {
            line.split()[1]
            for line in (ROOT / "Dockerfile").read_text().splitlines()
            if line.startswith("COPY ")
        }
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        packages = {
            pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]
        }
        assert packages <= copied
