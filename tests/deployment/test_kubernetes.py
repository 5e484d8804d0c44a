"""The manifests in scripts/deploy/kubernetes: by Kubernetes' own schemas, and as one whole."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import insert, text

from core.catalog.database import Database
from core.catalog.tables import Job
from core.jobs.placement import Need, Offer, could
from core.jobs.states import State

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

    def test_every_job_has_a_worker_with_time_to_let_it_save_its_state(self) -> None:
        from cli.processes import CELERY_EXTRA_GRACE
        from core.settings import Settings

        needed = Settings().save_grace_seconds + CELERY_EXTRA_GRACE
        taken = {}
        for one in RUNNING:
            said = {variable["name"]: variable.get("value") for variable in container(one).get("env", [])}
            if takes := said.get("ELASTICKET_TAKES"):
                taken[one["metadata"]["name"]] = set(takes.split(","))
                assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed
        assert taken == {"worker": {"cpu"}, "gpu": {"any", "gpu"}, "ranks": {"any", "gpu"}}

    def test_a_worker_offers_no_more_memory_than_its_container_has(self) -> None:
        (worker,) = (one for one in RUNNING if one["metadata"]["name"] == "worker")
        said = {variable["name"]: variable.get("value") for variable in container(worker)["env"]}
        gib = int(container(worker)["resources"]["limits"]["memory"].removesuffix("Gi"))
        assert said["ELASTICKET_MEMORY_MIB"] == str(gib * 1024)

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
    def test_asks_how_many_jobs_there_are_that_one_of_its_workers_could_do(
        self, one: dict[str, Any], sqlite_url: str
    ) -> None:
        target = one["spec"]["scaleTargetRef"]["name"]
        (deployment,) = (each for each in RUNNING if each["metadata"]["name"] == target)
        takes = {v["name"]: v.get("value") for v in container(deployment)["env"]}["ELASTICKET_TAKES"]
        gpus = 1 if target == "gpu" else 0
        offer = Offer(4, gpus=gpus, takes=frozenset(takes.split(",")))
        needs = ["any", "any-2", "any+512m", "cpu", "cpus-2", "cpu+512m", "gpu", "gpus-4", "gpu+512m"]
        states = [State.WAITING, State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED]
        rows = [(need, state) for need in needs for state in states]
        common = {"project": "default", "kind": "train", "spec": {}, "attempt": 0, "max_attempts": 3}
        database = Database(sqlite_url)
        with database.write() as session:
            session.execute(
                insert(Job),
                [
                    common | {"id": f"{n:032x}", "need": need, "state": state}
                    for n, (need, state) in enumerate(rows)
                ],
            )
            query = one["spec"]["triggers"][0]["metadata"]["query"]
            found = session.scalar(text(query))
        database.close()
        assert found == 2 * sum(could(offer, Need.parse(need)) for need in needs)
