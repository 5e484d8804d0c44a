from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from core.experiments import latency as module
from core.experiments.latency import BATCHES, DENSITIES, even, latency
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.methods import RandomParameters
from core.jobs.specs import EvaluateSpec, FindSpec
from core.tickets import Ticket

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench


@pytest.fixture(autouse=True)
def _as_short_as_can_be(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "SECONDS", 0.0)
    threads = torch.get_num_threads()
    # Several would wait for each other, where other tests run beside.
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def random_ticket(bench: Bench, name: str) -> str:
    spec = FindSpec(
        architecture=name,
        dataset="digits",
        method="random",
        parameters=RandomParameters(survivors=1500),
    )
    bench.run(spec.complete(architecture(name, (1, 8, 8), 10).family))
    return list(bench.tickets)[-1]


def check(found: dict, ticket: Ticket) -> None:
    """The times are consistent with what is claimed of them."""
    figures = {layer.name: layer.survivors / layer.size for layer in ticket.layers()}
    assert [at["batch"] for at in found["batches"]] == list(BATCHES)
    for at in found["batches"]:
        assert {layer["name"]: layer["density"] for layer in at["layers"]} == figures
        assert at["layout"] in ("channels first", "channels last")
        dense, sparse, compacted = at["forms"]
        assert compacted["form"] == "compacted"
        assert compacted["ms"] is not None or not compacted["faster"]
        assert (dense["form"], dense["faster"], sparse["form"]) == ("dense", False, "sparse")
        assert dense["ms"] > 0
        paying = [layer for layer in at["layers"] if layer["pays"]]
        assert (sparse["ms"] is None) is (not paying)
        assert sparse["ms"] is not None or not sparse["faster"]
        for layer in at["layers"]:
            pointwise = ticket.architecture.specs[layer["name"]].shape[2:] in ((), (1, 1))
            assert layer["dense_ms"] > 0
            assert (layer["sparse_ms"] is not None) is pointwise
            assert layer["break_even"] in (None, *(DENSITIES if pointwise else ()))


class TestLatency:
    @pytest.mark.parametrize("name", ["mlp_1", "cifar_resnet_8_4", "lenet5"])
    def test_what_is_claimed_follows_from_what_was_timed(self, bench: Bench, name: str) -> None:
        ticket = bench.ticket(random_ticket(bench, name))
        check(json.loads(json.dumps(latency(ticket, torch.device("cpu")))), ticket)


class TestCompacted:
    def of(self, pruned: int) -> list[dict]:
        """The forms of a network that lacks so many channels."""
        network = architecture("mlp_1_20_10", (1, 8, 8), 10)
        masks = {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}
        masks["fc_layers.0.weight"][:pruned] = False
        masks["fc_layers.1.weight"][:, :pruned] = False
        found = latency(Ticket.from_dense(network, 0, masks, initialise(network, 0)), torch.device("cpu"))
        return [at["forms"][2] for at in found["batches"]]

    def test_it_is_timed_where_a_channel_goes(self) -> None:
        assert all(form["form"] == "compacted" and form["ms"] > 0 for form in self.of(7))

    def test_it_is_none_where_all_channels_stay(self) -> None:
        assert all(form == {"form": "compacted", "ms": None, "faster": False} for form in self.of(0))


class TestEvaluate:
    def test_it_is_timed_where_it_was_asked_for(self, bench: Bench) -> None:
        identity = random_ticket(bench, "mlp_1")
        (result,) = bench.run(EvaluateSpec(tickets=[identity], dataset="digits", latency=True)).results
        assert result.latency is not None
        check(result.latency, bench.ticket(identity))
        assert result.latency["machine"]["threads"] == torch.get_num_threads()
        (plain,) = bench.run(EvaluateSpec(tickets=[identity], dataset="digits")).results
        assert (plain.latency, plain.correct, plain.loss) == (None, result.correct, result.loss)


class TestBreakEven:
    def test_it_is_the_largest_density_where_dense_is_always_slower(self) -> None:
        layer = nn.Linear(4, 4)
        # Longer than a busy machine keeps a process waiting.
        layer.register_forward_pre_hook(lambda *_: time.sleep(0.03))
        assert even(layer, torch.randn(1, 4)) == max(DENSITIES)

    def test_it_is_none_where_a_product_takes_less_time_than_its_rows_do(self) -> None:
        assert even(nn.Linear(4, 4), torch.randn(1, 4)) is None
