from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
import torch

from core.families import architecture
from core.interchange.exports.onnx import write
from core.interchange.exports.source import Source, Unavailable
from core.models import build
from core.models.state import load_state
from core.tickets import Mask

Same = Callable[[np.ndarray, np.ndarray], bool]


@pytest.fixture(scope="module")
def file(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "my.onnx"
    write(source, path)
    return path


@pytest.fixture(scope="module")
def model(file: Path) -> onnx.ModelProto:
    return onnx.load(file)


class TestWrite:
    def test_the_checker_accepts_it(self, file: Path) -> None:
        onnx.checker.check_model(file)

    @pytest.mark.parametrize("batch", [1, 3])
    def test_onnxruntime_computes_what_torch_computes(self, source: Source, file: Path, batch: int) -> None:
        network = build(source.ticket.architecture).eval()
        load_state(network, source.ticket.weights())
        images = torch.randn(
            batch, *source.ticket.architecture.input, generator=torch.Generator().manual_seed(1)
        )
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        with torch.no_grad():
            expected = network(images).numpy()
        assert logits.shape == (batch, 5)
        assert len(np.unique(logits, axis=0)) == batch
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    def test_only_tensors_under_a_third_are_sparse(self, source: Source, model: onnx.ModelProto) -> None:
        masks = source.ticket.bool_masks()
        under = {name for name, mask in masks.items() if 12 * mask.sum() < 4 * mask.size}
        assert {tensor.values.name for tensor in model.graph.sparse_initializer} == under
        assert 0 < len(under) < len(masks)

    def test_sparse_initialisers_are_the_mask_and_its_survivors(
        self, source: Source, model: onnx.ModelProto, identical: Same
    ) -> None:
        for tensor in model.graph.sparse_initializer:
            name = tensor.values.name
            flat = np.zeros(source.ticket.masks[name].size, bool)
            flat[onnx.numpy_helper.to_array(tensor.indices)] = True
            assert Mask.from_bool(flat.reshape(tuple(tensor.dims))) == source.ticket.masks[name]
            assert identical(onnx.numpy_helper.to_array(tensor.values), source.ticket.kept[name])

    def test_dense_initialisers_are_the_tickets_tensors(
        self, source: Source, model: onnx.ModelProto, identical: Same
    ) -> None:
        weights = source.ticket.weights()
        dense = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
        sparse = {one.values.name for one in model.graph.sparse_initializer}
        counters = {name for name in weights if name.endswith("num_batches_tracked")}
        assert dense.keys() >= weights.keys() - sparse - counters
        for name in dense.keys() & weights.keys():
            assert identical(dense[name], weights[name])

    def test_metadata_describe_the_ticket(self, source: Source, model: onnx.ModelProto) -> None:
        stated = {one.key: one.value for one in model.metadata_props}
        assert stated["ticket"] == source.identity
        assert stated["architecture"] == source.ticket.architecture.name
        assert stated["rewind_step"] == "7"


class TestMissingDependency:
    @pytest.mark.parametrize("name", ["onnx", "onnxscript"])
    def test_is_refused_with_what_to_install(
        self, name: str, sourced: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(Unavailable, match=rf"{name} is not installed; accepted: .*elasticket\[onnx\]"):
            write(sourced(architecture("mlp_1", (1, 2, 2), 3)), tmp_path / "my.onnx")
