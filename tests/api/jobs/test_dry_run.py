"""What a transformation would do, told before it is done."""

import io

import numpy as np
import pytest
from sqlalchemy import func, select

from core.catalog import tickets
from core.catalog.artifacts import LocalStore
from core.catalog.tables import IdempotencyKey, Job
from core.families import architecture
from core.tickets import Metadata, Ticket, TicketFile, ticket_id, write
from core.tickets.weights import write_weights

DIGITS = (1, 8, 8)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def dry(client):
    """Asks for a dry run."""

    def ask(ticket: str, target: str, **more: object) -> dict:
        spec = {"tickets": [ticket], "architecture": target} | more
        answer = client.post("/transform", params={"dry_run": True}, json=spec)
        assert answer.status_code == 200, answer.text
        (plan,) = answer.json()["tickets"]
        return plan

    return ask


def counted(ticket: dict, client) -> dict[str, int]:
    layers = client.get(f"/tickets/{ticket}/layers").json()["layers"]
    return {layer["name"]: layer["survivors"] for layer in layers}


class TestPlan:
    def test_every_layer_has_the_survivors_of_its_source(self, client, upload, dry):
        ticket = upload(name="mlp_2")
        survivors = counted(ticket, client)
        plan = dry(ticket, "mlp_4", order="interpolate")
        network = architecture("mlp_4", DIGITS, 10)
        assert [layer["tensor"] for layer in plan["layers"]] == [spec.name for spec in network.prunable]
        for layer in plan["layers"]:
            assert layer["survivors"] == survivors[layer["source"]]
            assert layer["size"] == network.specs[layer["tensor"]].size
            assert layer["sparsity"] == 1 - layer["survivors"] / layer["size"]
        assert {layer["tensor"]: layer["source"] for layer in plan["layers"]} == {
            "fc_layers.0.weight": "fc_layers.0.weight",
            "fc_layers.1.weight": "fc_layers.1.weight",
            "fc_layers.2.weight": "fc_layers.1.weight",
            "fc_layers.3.weight": "fc_layers.1.weight",
            "fc_layers.4.weight": "fc_layers.2.weight",
            "fc.weight": "fc.weight",
        }
        assert plan["after"]["survivors"] == sum(layer["survivors"] for layer in plan["layers"])
        assert plan["before"]["survivors"] == sum(survivors.values())
        assert plan["after"]["prunable"] == network.prunable_weights
        assert (plan["before"]["level"], plan["after"]["level"]) == (5, 5)

    def test_the_units_and_what_is_fixed(self, upload, dry):
        plan = dry(upload(name="mlp_2"), "mlp_3")
        assert plan["unit_map"] == "0:0;1:1,2;2:3"
        (stage,) = plan["stages"]
        assert (stage["name"], stage["dropped"]) == ("hidden", [])
        rows = [(row["target"], row["source"], row["fixed"], row["copy"]) for row in stage["entries"]]
        assert rows == [(0, 0, True, False), (1, 1, False, False), (2, 1, False, True), (3, 2, True, False)]
        assert sorted(plan["fixed"]) == ["fc.bias", "fc.weight"]

    def test_a_squeeze_names_what_it_drops(self, upload, dry):
        plan = dry(upload(name="mlp_4"), "mlp_2", order="drop_first")
        (stage,) = plan["stages"]
        assert stage["dropped"] == [1, 2]
        assert plan["unit_map"] == "0:0;3:1;4:2"

    def test_what_it_says_is_what_a_worker_makes(self, client, upload, dry, make_ticket, tmp_path):
        from core.jobs.specs import TransformSpec
        from core.jobs.transforms import carry, plan
        from core.tickets import read

        ticket = upload(name="mlp_2")
        way = {"via": [{"architecture": "mlp_3"}], "order": "append", "noise": 0.1}
        told = dry(ticket, "mlp_4_320", **way)
        (path := tmp_path / "t").write_bytes(make_ticket(name="mlp_2"))
        spec = TransformSpec(tickets=[ticket], architecture="mlp_4_320", **way)
        source = read(path).ticket
        made = carry(plan(spec, source.architecture, architecture), source, 0, lambda step: None)
        assert told["hops"] == ["mlp_3", "mlp_4_320"]
        assert told["target"] == {"architecture": "mlp_4_320", "input": [1, 8, 8], "classes": 10}
        assert {layer["tensor"]: layer["survivors"] for layer in told["layers"]} == {
            layer.name: layer.survivors for layer in made.layers()
        }
        assert told["after"]["sparsity"] == made.sparsity

    def test_a_refit_draws_the_head_afresh_and_dense(self, upload, dry):
        plan = dry(upload(name="mlp_2", classes=7), "mlp_2", dataset="digits")
        assert plan["fresh"] == ["fc.bias", "fc.weight"]
        (head,) = [layer for layer in plan["layers"] if layer["tensor"] == "fc.weight"]
        assert (head["source"], head["sparsity"]) == (None, 0.0)
        assert plan["target"]["classes"] == 10

    def test_it_needs_no_key_and_writes_nothing(self, client, database, upload, dry, files):
        ticket = upload(name="mlp_2")
        kept = files()
        dry(ticket, "mlp_3")
        headers = {"Idempotency-Key": "k"}
        spec = {"tickets": [ticket], "architecture": "mlp_3"}
        client.post("/transform", params={"dry_run": True}, json=spec, headers=headers)
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(Job)) == 0
            assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0
        assert files() == kept
        assert client.post("/transform", params={"dry_run": False}, json=spec).status_code == 202


class TestWarnings:
    def test_the_sparsity_moves(self, upload, dry):
        plan = dry(upload(name="mlp_2"), "mlp_3")
        (warning,) = plan["warnings"]
        before, after = plan["before"]["sparsity"], plan["after"]["sparsity"]
        assert warning == (
            f"total sparsity moves from {before:.2%} to {after:.2%}; the nominal level stays 5"
        )

    def test_the_same_network_has_none(self, upload, dry):
        assert dry(upload(name="mlp_2"), "mlp_2")["warnings"] == []

    def test_layers_that_are_empty(self, upload, dry):
        plan = dry(upload(name="mlp_2", density=0.0), "mlp_3")
        assert any(
            w.startswith("no weight survives in fc_layers.0.weight, fc_layers.1.weight")
            for w in plan["warnings"]
        )

    @pytest.mark.parametrize(
        ("target", "noise", "twins"), [("mlp_2_320", 0, 1), ("mlp_2_320", 0.01, 0), ("mlp_2_200", 0, 0)]
    )
    def test_noise_0_makes_twins_where_it_widens(self, upload, dry, target, noise, twins):
        warnings = dry(upload(name="mlp_2"), target, noise=noise)["warnings"]
        assert sum("exact twins" in warning for warning in warnings) == twins

    def test_an_ablation_that_changes_nothing(self, upload, dry):
        warnings = dry(upload(name="mlp_2"), "mlp_2", norm="fresh")["warnings"]
        assert warnings == ["ablation: norm: fresh changes nothing: no unit is replicated"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("spec", "kind"),
        [
            ({"architecture": "mlp_3", "unit_map": "0:0;1:1;2:3"}, "refused-transformation"),
            ({"architecture": "cifar_resnet_20"}, "refused-transformation"),
            ({"architecture": "mlp_3", "start": "zero"}, "refused-transformation"),
            ({"architecture": "mlp_3", "permute": 1}, "refused-transformation"),
            ({"architecture": "mlp_x"}, "unsuitable-job"),
            ({"architecture": "mlp_3", "order": "sideways"}, "invalid-request"),
        ],
    )
    def test_they_are_the_same_with_and_without(self, client, upload, spec, kind):
        body = {"tickets": [upload(name="mlp_2", rewind_step=7)]} | spec
        dry = client.post("/transform", params={"dry_run": True}, json=body)
        wet = client.post("/transform", json=body)
        assert dry.json()["type"] == f"urn:elasticket:problem:{kind}"
        assert (dry.status_code, dry.json()) == (wet.status_code, wet.json())

    def test_a_ticket_that_is_not_there(self, client):
        body = {"tickets": ["0" * 64], "architecture": "mlp_3"}
        answer = client.post("/transform", params={"dry_run": True}, json=body)
        assert answer.json()["errors"][0]["where"] == "/tickets/0"


class TestDenseWeights:
    @pytest.fixture
    def found(self, database, settings) -> str:
        """A ticket whose dense weights at its rewind step and at step 0 were kept."""
        network, numbers = architecture("mlp_2", DIGITS, 10), np.random.default_rng(0)
        states = {
            step: {spec.name: numbers.random(spec.shape, np.float32) for spec in network.tensors}
            for step in (0, 7)
        }
        masks = {spec.name: numbers.random(spec.shape) < 0.2 for spec in network.prunable}
        ticket = Ticket.from_dense(network, 7, masks, states[7])
        stream, store = io.BytesIO(), LocalStore(settings.artifact_directory)
        write(ticket, Metadata(), stream)
        kept = {}
        with store.stage() as staged:
            staged.write(stream.getvalue())
            digest = staged.commit()
        for step, state in states.items():
            with store.stage() as staged:
                write_weights(state, staged)
                kept[str(step)] = staged.commit()
        with database.write() as session:
            tickets.register(
                session, ticket_id(ticket), TicketFile(ticket, Metadata(), 0, 0), digest, weights=kept
            )
        return ticket_id(ticket)

    def test_start_zero_restarts_at_step_0(self, found, dry):
        plan = dry(found, "mlp_3", start="zero")
        assert plan["rewind_step"] == 0
        assert any("step 0" in warning for warning in plan["warnings"])
        assert dry(found, "mlp_3")["rewind_step"] == 7

    def test_permuting_keeps_every_count(self, found, dry):
        plain, shuffled = dry(found, "mlp_3"), dry(found, "mlp_3", permute=3)
        assert shuffled["layers"] == plain["layers"]
        assert "ablation: permute changes the replicated copies" in shuffled["warnings"]
