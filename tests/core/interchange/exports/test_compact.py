from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
import safetensors
import safetensors.numpy
import torch

from core.families import architecture
from core.families.initialisation import initialise
from core.interchange.exports.compact import write, write_onnx
from core.interchange.exports.source import Source, Unavailable
from core.models import build
from core.models.resized import build_resized
from core.models.state import load_state
from core.pruning.channels import weight_masks, written_by
from core.pruning.compaction import compact
from core.pruning.early_bird import channel_mask
from core.tickets import Metadata, Ticket, ticket_id

NETWORKS = {"cifar_resnet_8_4": (3, 8, 8), "cifar_vgg_11_4": (3, 32, 32), "cifar_mobilenetv1_1": (1, 8, 8)}


@pytest.fixture(scope="module", params=NETWORKS)
def structured(request: pytest.FixtureRequest) -> Source:
    """An early-bird ticket of half the channels; its last layer is dense."""
    network = architecture(request.param, NETWORKS[request.param], 5)
    weights = initialise(network, 0)
    channels = channel_mask({scale: weights[scale] for scale in written_by(network)}, 0.5)
    ticket = Ticket.from_dense(network, 7, weight_masks(network, channels, ("fc.weight",)), weights)
    return Source(ticket, Metadata(method="early_bird"), ticket_id(ticket))


@pytest.fixture(scope="module")
def file(structured: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "my.compact.onnx"
    write_onnx(structured, path)
    return path


def images(source: Source, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, *source.ticket.architecture.input, generator=torch.Generator().manual_seed(0))


def expected(source: Source, batch: int = 3) -> np.ndarray:
    network = build(source.ticket.architecture).eval()
    load_state(network, source.ticket.weights())
    with torch.no_grad():
        return network(images(source, batch)).numpy()


def assert_close(logits: np.ndarray, source: Source) -> None:
    wanted = expected(source, len(logits))
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))


class TestWrite:
    def test_reopened_it_computes_what_the_ticket_does(self, structured: Source, tmp_path: Path) -> None:
        write(structured, tmp_path / "file")
        found = safetensors.numpy.load_file(tmp_path / "file")
        network = build_resized(structured.ticket.architecture, found).eval()
        with torch.no_grad():
            assert_close(network(images(structured)).numpy(), structured)
        whole = structured.ticket.weights()
        assert found.keys() == whole.keys()
        assert 2 * sum(array.size for array in found.values()) < sum(array.size for array in whole.values())

    def test_metadata_tell_the_ticket_and_the_channels(self, structured: Source, tmp_path: Path) -> None:
        write(structured, tmp_path / "file")
        with safetensors.safe_open(tmp_path / "file", framework="numpy") as file:
            metadata = file.metadata()
            sizes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        ticket = structured.ticket
        assert metadata["format"] == "pt"
        assert metadata["ticket"] == structured.identity
        assert metadata["architecture"] == ticket.architecture.name
        channels = json.loads(metadata["channels"])
        compacted = compact(ticket.architecture, ticket.weights(), ticket.bool_masks())
        assert channels == {group: kept.tolist() for group, kept in compacted.channels.items()}
        for spec in ticket.architecture.prunable:
            if spec.axes[0]:
                assert sizes[spec.name][0] == len(channels[spec.axes[0]])

    def test_an_unstructured_ticket_computes_the_same(self, source: Source, tmp_path: Path) -> None:
        write(source, tmp_path / "file")
        found = safetensors.numpy.load_file(tmp_path / "file")
        network = build_resized(source.ticket.architecture, found).eval()
        with torch.no_grad():
            assert_close(network(images(source)).numpy(), source)


class TestWriteOnnx:
    @pytest.mark.parametrize("batch", [1, 3])
    def test_onnxruntime_computes_what_the_ticket_does(
        self, structured: Source, file: Path, batch: int
    ) -> None:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (logits,) = session.run(["logits"], {"images": images(structured, batch).numpy()})
        wanted = expected(structured, batch)
        np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())

    def test_its_initialisers_are_those_of_the_compact_file(
        self, structured: Source, file: Path, tmp_path: Path
    ) -> None:
        write(structured, tmp_path / "file")
        arrays = safetensors.numpy.load_file(tmp_path / "file")
        model = onnx.load(file)
        assert not model.graph.sparse_initializer
        found = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
        counters = {name for name in arrays if name.endswith("num_batches_tracked")}
        assert found.keys() >= arrays.keys() - counters
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays.keys() - counters)

    def test_properties_tell_the_ticket_and_the_channels(self, structured: Source, file: Path) -> None:
        stated = {one.key: one.value for one in onnx.load(file).metadata_props}
        assert stated["ticket"] == structured.identity
        groups = {spec.axes[0] for spec in structured.ticket.architecture.prunable} - {""}
        assert json.loads(stated["channels"]).keys() == groups

    @pytest.mark.parametrize("name", ["onnx", "onnxscript"])
    def test_without_its_dependencies_it_is_refused(
        self, name: str, structured: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(Unavailable, match=rf"compact_onnx: {name} is not installed"):
            write_onnx(structured, tmp_path / "file")
