"""The manifests in scripts/deploy/kubernetes: by Kubernetes' own schemas, and as one whole."""

from __future__ import annotations

import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kubernetes_validate

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts" / "deploy" / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml")
DOCUMENTS: list[dict[str, Any]] = [one for path in FILES for one in yaml.safe_load_all(path.read_text())]
KEDA = "keda.sh/v1alpha1"
OURS = [one for one in DOCUMENTS if one["apiVersion"] != KEDA]
SCALED = [one for one in DOCUMENTS if one["kind"] == "ScaledObject"]
RUNNING = [one for one in OURS if one["kind"] in ("Deployment", "StatefulSet", "Job")]


def name(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def named(kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in DOCUMENTS if one["kind"] == kind}


every_workload = pytest.mark.parametrize("one", RUNNING, ids=name)


def container(one: dict[str, Any]) -> dict[str, Any]:
    (only,) = one["spec"]["template"]["spec"]["containers"]
    return dict(only)


class TestManifests:
    @pytest.mark.parametrize("one", OURS, ids=name)
    def test_follows_kubernetes_schema(self, one: dict[str, Any]) -> None:
        kubernetes_validate.validate(one, "1.33", strict=True)

    def test_the_check_itself_refuses_what_kubernetes_does_not_know(self) -> None:
        wrong = {**OURS[0], "mettadata": {}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, "1.33", strict=True)

    def test_kustomizations_name_every_file(self) -> None:
        for path in FOLDER.rglob("kustomization.yaml"):
            said = yaml.safe_load(path.read_text())
            there = {file.name for file in path.parent.glob("*.yaml")} - {path.name}
            assert set(said["resources"]) == there
            assert said["namespace"] in named("Namespace")


class TestWorkloads:
    @every_workload
    def test_is_confined(self, one: dict[str, Any]) -> None:
        pod, box = one["spec"]["template"]["spec"], container(one)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert box["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= box["resources"]["limits"].keys()

    @every_workload
    def test_refers_to_what_is_there(self, one: dict[str, Any]) -> None:
        pod, box = one["spec"]["template"]["spec"], container(one)
        claims = {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in box["volumeMounts"]} == volumes | claims
        for volume in pod["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")
        for source in box.get("envFrom", []):
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in named("ConfigMap")
        labels = one["spec"]["template"]["metadata"]["labels"]
        if one["kind"] != "Job":
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert one["spec"].get("serviceName", "api") in named("Service")

    @every_workload
    def test_runs_what_compose_runs(self, one: dict[str, Any]) -> None:
        box = container(one)
        service = COMPOSE[{"ranks": "gpu"}.get(one["metadata"]["name"], one["metadata"]["name"])]
        assert box["image"] == service["image"]
        if one["metadata"]["name"] == "ranks":
            (script,) = box["args"]
            subprocess.run(["sh", "-n", "-c", script], check=True)
            assert f"elasticket {' '.join(service['command'])}" in script
        else:
            assert box.get("args") == service.get("command")

    @every_workload
    def test_every_setting_is_one_that_the_program_reads(self, one: dict[str, Any]) -> None:
        from core.settings import Settings

        known = {f"ELASTICKET_{field.upper()}" for field in Settings.model_fields}
        (settings,) = (each for each in DOCUMENTS if each["kind"] == "ConfigMap")
        said = {variable["name"] for variable in container(one).get("env", [])} | set(settings["data"])
        assert {each for each in said if each.startswith("ELASTICKET_")} <= known

    def test_as_many_nodes_meet_as_there_are_pods(self) -> None:
        (ranks,) = (one for one in RUNNING if one["metadata"]["name"] == "ranks")
        said = {variable["name"]: variable.get("value") for variable in container(ranks)["env"]}
        assert said["ELASTICKET_NODES"] == str(ranks["spec"]["replicas"])
        assert said["ELASTICKET_RENDEZVOUS"] == "ranks-0.ranks:29400"
        assert said["ELASTICKET_SLOTS"] == "1"


class TestScaling:
    @pytest.mark.parametrize("one", SCALED, ids=name)
    def test_scales_a_deployment_that_says_no_number_itself(self, one: dict[str, Any]) -> None:
        target = one["spec"]["scaleTargetRef"]["name"]
        (deployment,) = (each for each in RUNNING if each["metadata"]["name"] == target)
        assert "replicas" not in deployment["spec"]
        (trigger,) = one["spec"]["triggers"]
        slots = {v["name"]: v.get("value") for v in container(deployment)["env"]}["ELASTICKET_SLOTS"]
        assert trigger["metadata"]["targetQueryValue"] == slots
        assert trigger["authenticationRef"]["name"] in named("TriggerAuthentication")
        assert 0 <= one["spec"]["minReplicaCount"] < one["spec"]["maxReplicaCount"]

    @pytest.mark.parametrize("one", SCALED, ids=name)
    def test_asks_what_the_catalog_can_answer(self, one: dict[str, Any], sqlite_url: str) -> None:
        from sqlalchemy import text

        from core.catalog.database import Database

        database = Database(sqlite_url)
        with database.read() as session:
            assert session.scalar(text(one["spec"]["triggers"][0]["metadata"]["query"])) == 0
        database.close()

    def test_names_states_that_there_are(self) -> None:
        from core.jobs.states import State

        for one in SCALED:
            words = re.findall(r"'(\w+)'", one["spec"]["triggers"][0]["metadata"]["query"])
            assert set(words) == {State.QUEUED, State.RUNNING}
