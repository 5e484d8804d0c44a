"""docker-compose.yml and the Dockerfiles: valid, without a gap, and confined. No container engine is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
SCHEMA = Draft202012Validator(
    json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text())
)
OWN = {name for name, service in SERVICES.items() if service.get("image", "").startswith("elasticket:")}
ONCE = {"migrate", "sample"}
DOCKERFILES = [ROOT / "Dockerfile", *sorted((ROOT / "scripts").rglob("Dockerfile"))]

every_service = pytest.mark.parametrize("name", SERVICES)


def variables(text: str) -> dict[str, str]:
    """What a text with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` asks for, and its default."""
    return {
        name: rest if how == ":-" else ""
        for name, how, rest in re.findall(r"\$\{(\w+)(:[-?])?([^}]*)\}", text)
    }


class TestComposeFile:
    def test_follows_the_official_schema(self) -> None:
        SCHEMA.validate(COMPOSE)

    def test_the_check_itself_refuses_what_the_specification_does_not_know(self) -> None:
        with pytest.raises(ValidationError, match="restrat"):
            SCHEMA.validate({"services": {"api": {"image": "x", "restrat": "always"}}})

    def test_it_has_a_service_for_everything_that_runs(self) -> None:
        ours = {"migrate", "api", "dispatcher", "worker", "gpu", "sample"}
        assert ours == OWN
        assert {"proxy", "postgres", "valkey", "store", "prometheus", "grafana"} == set(SERVICES) - ours

    @pytest.mark.parametrize("name", sorted(OWN - {"sample"}))
    def test_its_commands_are_understood(self, name: str) -> None:
        from cli.main import app

        result = CliRunner().invoke(app, [*SERVICES[name]["command"], "--help"])
        assert result.exit_code == 0, result.output

    @pytest.mark.parametrize("name", sorted(OWN))
    def test_every_setting_is_one_that_the_program_reads(self, name: str) -> None:
        from core.settings import Settings

        known = {f"ELASTICKET_{name.upper()}" for name in Settings.model_fields} | {"ELASTICKET_SERVER"}
        said = SERVICES[name]["environment"]
        assert {one for one in said if one.startswith("ELASTICKET_")} <= known
        chosen = {one: str(value) for one, value in said.items() if "$" not in str(value)}
        given = {one.removeprefix("ELASTICKET_").lower(): value for one, value in chosen.items()}
        Settings(**{one: value for one, value in given.items() if one in Settings.model_fields})

    def test_env_example_names_every_variable_with_its_default(self) -> None:
        lines = (ROOT / ".env.example").read_text().splitlines()
        example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        caddyfile = (ROOT / "scripts" / "deploy" / "proxy" / "Caddyfile").read_text()
        assert variables(TEXT) == example
        given = SERVICES["proxy"]["environment"]
        assert set(given) <= set(re.findall(r"\{\$(\w+):", caddyfile))

    def test_nothing_is_open_beyond_this_machine_unless_it_is_asked_for(self) -> None:
        published = {port for service in SERVICES.values() for port in service.get("ports", [])}
        assert published
        assert {variables(port).get("LISTEN", port.partition(":")[0]) for port in published} == {"127.0.0.1"}

    def test_database_and_broker_are_reached_by_those_alone_who_work_with_them(self) -> None:
        assert COMPOSE["networks"]["inside"] == {"internal": True}
        there = {name for name, service in SERVICES.items() if "inside" in service.get("networks", [])}
        assert there == OWN | {"postgres", "valkey"}
        assert SERVICES["postgres"]["networks"] == SERVICES["valkey"]["networks"] == ["inside"]


class TestServices:
    @every_service
    def test_is_confined(self, name: str) -> None:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] not in ("", "root", "0", "0:0")
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}

    @every_service
    def test_is_looked_after(self, name: str) -> None:
        if name in ONCE:
            assert SERVICES[name]["restart"] == "on-failure"
        else:
            assert SERVICES[name]["restart"] == "unless-stopped"
            assert SERVICES[name]["healthcheck"]["test"]

    @every_service
    def test_runs_a_version_that_is_named(self, name: str) -> None:
        service = SERVICES[name]
        if "build" not in service:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", service["image"])

    @every_service
    def test_refers_to_what_is_there(self, name: str) -> None:
        service = SERVICES[name]
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        needed = service.get("depends_on", {})
        assert set(needed) <= set(SERVICES)
        for other, how in needed.items():
            ends = how["condition"] == "service_completed_successfully"
            assert (other in ONCE) is ends

    @every_service
    def test_what_is_mounted_is_there(self, name: str) -> None:
        for mount in SERVICES[name].get("volumes", []):
            source, target, *mode = mount.split(":")
            if source.startswith("./"):
                assert (ROOT / source).exists()
                assert mode == ["ro"]
            else:
                assert source in COMPOSE["volumes"]
            assert target.startswith("/")

    def test_only_what_is_asked_for_needs_a_gpu(self) -> None:
        devices = {
            name
            for name, service in SERVICES.items()
            if "reservations" in service.get("deploy", {}).get("resources", {})
        }
        assert devices == {"gpu"}
        assert SERVICES["gpu"]["profiles"] == ["gpu"]
        assert SERVICES["gpu"]["environment"]["ELASTICKET_SLOTS"] == 1


class TestPlacement:
    def test_without_gpus_the_cpu_worker_does_what_it_can_and_beside_one_every_job_has_a_worker(self) -> None:
        said = SERVICES["worker"]["environment"]["ELASTICKET_TAKES"]
        alone = variables(said)["CPU_TAKES"]
        assert set(alone.split(",")) == {"any", "cpu"}
        on_gpu = SERVICES["gpu"]["environment"]["ELASTICKET_TAKES"]
        assert {"cpu", *on_gpu.split(",")} == {"any", "cpu", "gpu"}

    def test_a_worker_offers_no_more_memory_than_its_container_has(self) -> None:
        worker = SERVICES["worker"]
        offered = worker["environment"]["ELASTICKET_MEMORY_MIB"]
        assert worker["deploy"]["resources"]["limits"]["memory"] == f"{offered}m"

    @pytest.mark.parametrize("name", ["worker", "gpu"])
    def test_jobs_have_time_to_save_their_state_before_the_container_is_killed(self, name: str) -> None:
        from cli.processes import CELERY_EXTRA_GRACE
        from core.settings import Settings

        needed = Settings().save_grace_seconds + CELERY_EXTRA_GRACE
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > needed


class TestDockerfiles:
    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_hadolint_finds_nothing(self, path: Path) -> None:
        linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
        assert linter
        done = subprocess.run([linter, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_end_as_somebody_who_is_not_root(self, path: Path) -> None:
        users = re.findall(r"^USER (.*)$", path.read_text(), re.MULTILINE)
        assert users
        assert users[-1] != "root"
        for line in re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE):
            assert re.search(r":v?\d+\.\d+\.\d+", line)

    def test_the_image_has_every_package_that_is_installed(self) -> None:
        copied = re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        sources = {source for line in copied for source in line.split()}
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        packages = {
            pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]
        }
        assert packages <= sources
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert ignored[0] == "*"
        assert {f"!{source}" for source in sources} <= set(ignored)
