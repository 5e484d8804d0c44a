"""Each format of one file, made by its own rules: the masks and weights that come out are those that went in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch.nn.utils import prune

from core.families.architecture import Architecture
from core.interchange.failure import Reason, Unreadable
from core.interchange.foreign import Foreign, Given
from core.interchange.imports.registry import FORMATS
from core.models import build

State = dict[str, torch.Tensor]
Save = Callable[[Any], bytes]
Import = Callable[..., tuple[str, list[Foreign]]]
Same = Callable[..., None]


def one(imported: tuple[str, list[Foreign]], format: str) -> Foreign:  # noqa: A002
    name, (found,) = imported
    assert name == format
    return found


def pruned(state: State, masks: State) -> State:
    return {name: tensor * masks[name] if name in masks else tensor for name, tensor in state.items()}


def refused(read: Callable[[], Any]) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read()
    return caught.value


class TestTorchPrune:
    def test_module_pruned_by_torch(
        self, network: Architecture, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        module = build(network)
        module.load_state_dict(state)
        for name, mask in masks.items():
            owner, _, local = name.rpartition(".")
            prune.custom_from_mask(module.get_submodule(owner), local, mask)
        found = one(import_bytes(save(module.state_dict())), "torch_prune")
        same(found.weights, state)
        same(found.masks, masks)
        assert found.dense
        assert (found.rewind_step, found.level, found.seed, found.initial) == (0, None, None, None)

    def test_originals_that_are_zero_where_pruned_are_not_dense(
        self, state: State, masks: State, save: Save, import_bytes: Import
    ) -> None:
        written = {f"{name}_orig": tensor for name, tensor in pruned(state, masks).items() if name in masks}
        written |= {f"{name}_mask": mask.float() for name, mask in masks.items()}
        written |= {name: tensor for name, tensor in state.items() if name not in masks}
        found = one(import_bytes(save(written), given=Given(1000, None, 3)), "torch_prune")
        assert not found.dense
        assert (found.rewind_step, found.level) == (1000, 3)

    @pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float32])
    def test_masks_of_every_type(
        self, dtype: torch.dtype, save: Save, import_bytes: Import, same: Same
    ) -> None:
        mask = torch.tensor([[True, False], [False, True]])
        written = {"fc.weight_orig": torch.ones(2, 2), "fc.weight_mask": mask.to(dtype)}
        same(one(import_bytes(save(written)), "torch_prune").masks, {"fc.weight": mask})

    def test_a_bias_whose_mask_is_ones_stays_dense(
        self, save: Save, import_bytes: Import, same: Same
    ) -> None:
        written = {"fc.bias_orig": torch.ones(2), "fc.bias_mask": torch.ones(2)}
        found = one(import_bytes(save(written)), "torch_prune")
        same(found.weights, {"fc.bias": torch.ones(2)})
        assert found.masks == {}


class TestSynapticFlow:
    def with_masks(self, state: State, masks: State) -> State:
        """Buffers of masks for every parameter, as its layers register them."""
        buffers = ("running_mean", "running_var", "num_batches_tracked")
        everything = {
            f"{name}_mask": masks[name].float() if name in masks else torch.ones_like(tensor)
            for name, tensor in state.items()
            if not name.endswith(buffers)
        }
        return {**state, **everything}

    def test_masks_of_weights_are_kept_and_others_dropped(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        found = one(import_bytes(save(self.with_masks(state, masks))), "synaptic_flow")
        same(found.weights, state)
        same(found.masks, masks)
        assert found.dense

    def test_a_pruned_normalisation_is_refused(
        self, state: State, masks: State, save: Save, import_bytes: Import
    ) -> None:
        written = self.with_masks(state, masks)
        written["bn.weight_mask"] = torch.zeros_like(written["bn.weight_mask"])
        caught = refused(lambda: import_bytes(save(written)))
        assert (caught.reason, caught.where) == (Reason.MASK_NOT_PRUNABLE, "bn.weight")


class TestTurboPrune:
    def test_linear_layers_are_squeezed(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        written = {}
        for name, tensor in state.items():
            linear = name == "fc.weight"
            written[name] = tensor[:, :, None].clone() if linear else tensor
            if name in masks:
                mask = masks[name].float()
                written[name.removesuffix("weight") + "mask"] = mask[:, :, None].clone() if linear else mask
        found = one(import_bytes(save(written)), "turboprune")
        same(found.weights, state)
        same(found.masks, masks)
        assert found.dense
        assert found.details == {"squeezed": ["fc.weight"]}


class TestRiglTorch:
    def checkpoint(self, state: State, masks: list[torch.Tensor | None]) -> dict[str, Any]:
        pruner = {"S": [0.1], "backward_masks": masks}
        return {"epoch": 3, "state_dict": state, "best_acc1": torch.tensor(0.5), "pruner": pruner}

    def test_masks_go_to_the_weights_in_their_order(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        _, *others = masks
        found = one(
            import_bytes(save(self.checkpoint(state, [None, *(masks[name] for name in others)]))),
            "rigl_torch",
        )
        same(found.weights, state)
        same(found.masks, {name: masks[name] for name in others})

    def test_a_list_without_the_first_layer(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        _, *others = masks
        found = one(
            import_bytes(save(self.checkpoint(state, [masks[name] for name in others]))), "rigl_torch"
        )
        same(found.masks, {name: masks[name] for name in others})

    def test_one_dict_with_both(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        found = one(import_bytes(save({**state, "backward_masks": list(masks.values())})), "rigl_torch")
        same(found.weights, state)
        same(found.masks, masks)

    def test_another_number_of_masks_is_refused(
        self, state: State, masks: State, save: Save, import_bytes: Import
    ) -> None:
        short = list(masks.values())[2:]
        caught = refused(lambda: import_bytes(save(self.checkpoint(state, [*short]))))
        assert caught.reason is Reason.MASK_COUNT

    def test_a_number_for_a_mask_is_refused(self, save: Save, import_bytes: Import) -> None:
        written = {"fc.weight": torch.ones(2, 2), "backward_masks": [1]}
        assert refused(lambda: import_bytes(save(written))).reason is Reason.MASK_DTYPE


class TestItop:
    @pytest.mark.parametrize("key", ["mask", "masks"])
    @pytest.mark.parametrize("naming", ["{name}_{index}", "{name}", "{name}_mask", "module.{name}_{index}"])
    def test_masks_by_name(
        self, key: str, naming: str, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        index = {name: position for position, name in enumerate(state)}
        named = {naming.format(name=name, index=index[name]): mask.float() for name, mask in masks.items()}
        found = one(import_bytes(save({"model": state, "epoch": 1, key: named, "other_mask": {}})), "itop")
        same(found.weights, state)
        same(found.masks, masks)

    def test_masks_of_some_layers(self, save: Save, import_bytes: Import, same: Same) -> None:
        state = {"a.weight": torch.ones(2, 2), "b.weight": torch.ones(2, 2)}
        found = one(import_bytes(save({"model": state, "mask": {"b.weight_1": torch.ones(2, 2)}})), "itop")
        same(found.masks, {"b.weight": torch.ones(2, 2) > 0})

    def test_a_mask_of_nothing_is_refused(self, save: Save, import_bytes: Import) -> None:
        written = {"model": {"a.weight": torch.ones(2, 2)}, "mask": {"c.weight_1": torch.ones(2, 2)}}
        assert refused(lambda: import_bytes(save(written))).reason is Reason.MASK_WITHOUT_WEIGHT

    def test_a_namespace_of_arguments_is_data(self, save: Save, import_bytes: Import) -> None:
        from argparse import Namespace

        written = {
            "model": {"a.weight": torch.ones(2, 2)},
            "mask": {"a.weight_0": torch.ones(2, 2)},
            "args": Namespace(lr=0.1, model="deit"),
        }
        one(import_bytes(save(written)), "itop")


class TestCerebras:
    def test_masks_beside_their_parameters(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        written = {**pruned(state, masks), **{f"{name}_mask": mask for name, mask in masks.items()}}
        found = one(import_bytes(save({"model": written, "global_step": 5})), "cerebras")
        same(found.weights, pruned(state, masks))
        same(found.masks, masks)
        assert not found.dense

    def test_a_buffer_whose_name_ends_like_a_mask_is_a_tensor(self, save: Save, import_bytes: Import) -> None:
        found = one(import_bytes(save({"a.weight": torch.ones(2, 2), "attn_mask": torch.ones(3)})), "dense")
        assert list(found.weights) == ["a.weight", "attn_mask"]


class TestSafetensors:
    @pytest.mark.parametrize("suffix", ["_mask", ".mask"])
    @pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
    def test_masks_beside_their_tensors(
        self, suffix: str, dtype: torch.dtype, state: State, masks: State, import_bytes: Import, same: Same
    ) -> None:
        written = {**state, **{f"{name}{suffix}": mask.to(dtype) for name, mask in masks.items()}}
        content = save_safetensors(written, {"rewind_step": "1000"})
        found = one(import_bytes(content), "safetensors")
        same(found.weights, state)
        same(found.masks, masks)
        assert found.rewind_step == 1000
        assert one(import_bytes(content, given=Given(rewind_step=7)), "safetensors").rewind_step == 7

    def test_without_masks_it_is_dense(self, import_bytes: Import, state: State, same: Same) -> None:
        found = one(import_bytes(save_safetensors(state)), "dense")
        same(found.weights, state)
        assert found.masks is None

    def test_two_masks_of_one_tensor_are_refused(self, import_bytes: Import) -> None:
        written = {name: torch.ones(2, 2) for name in ("a", "a_mask", "a.mask")}
        assert refused(lambda: import_bytes(save_safetensors(written))).reason is Reason.STATE_AMBIGUOUS

    def test_in_an_archived_folder(
        self, tar: Callable[..., bytes], state: State, masks: State, import_bytes: Import, same: Same
    ) -> None:
        content = save_safetensors({**state, **{f"{name}_mask": mask for name, mask in masks.items()}})
        for mode in ("w", "w:gz"):
            archive = tar({"net-1/model.safetensors": content, "net-1/config.json": b"{}"}, mode)
            found = one(import_bytes(archive), "huggingface")
            same(found.weights, state)
            same(found.masks, masks)

    def test_two_folders_are_refused(self, tar: Callable[..., bytes], import_bytes: Import) -> None:
        content = save_safetensors({"a": torch.ones(2)})
        archive = tar({"a/model.safetensors": content, "b/model.safetensors": content})
        assert refused(lambda: import_bytes(archive)).reason is Reason.STATE_AMBIGUOUS


class TestDense:
    def test_the_mask_is_left_to_be_inferred(
        self, state: State, masks: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        found = one(import_bytes(save(pruned(state, masks))), "dense")
        same(found.weights, pruned(state, masks))
        assert found.masks is None
        assert found.details == {"mask": "inferred from zeros"}

    def test_any_mask_format_can_be_read_as_dense_when_asked(self, save: Save, import_bytes: Import) -> None:
        written = {"a.weight": torch.ones(2, 2), "a.weight_mask": torch.ones(2, 2)}
        assert list(one(import_bytes(save(written), format="dense"), "dense").weights) == list(written)


class TestTypes:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_narrow_floats_are_widened(
        self, dtype: torch.dtype, save: Save, import_bytes: Import, same: Same
    ) -> None:
        values = torch.randn(3, 4).to(dtype)
        for content in (save({"w": values}), save_safetensors({"w": values})):
            found = one(import_bytes(content), "dense")
            same(found.weights, {"w": values.float()})
            assert "rounded" not in found.details

    def test_float64_is_rounded_and_says_so(self, save: Save, import_bytes: Import, same: Same) -> None:
        written = {
            "exact": torch.tensor([0.5], dtype=torch.float64),
            "fine": torch.tensor([0.1], dtype=torch.float64),
        }
        found = one(import_bytes(save(written)), "dense")
        same(found.weights, {name: tensor.float() for name, tensor in written.items()})
        assert found.details["rounded"] == ["fine"]

    @pytest.mark.parametrize(
        "dtype", [torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.int64]
    )
    def test_integers_become_int64(
        self, dtype: torch.dtype, save: Save, import_bytes: Import, same: Same
    ) -> None:
        found = one(import_bytes(save({"n": torch.ones(3, dtype=dtype)})), "dense")
        same(found.weights, {"n": torch.ones(3, dtype=torch.int64)})


class TestState:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: {"state_dict": state, "epoch": 1},
            lambda state: {"model": state, "model_ema": {k: v.clone() for k, v in state.items()}},
            lambda state: {"net": state, "acc": torch.tensor(1.0)},
            lambda state: {"anything": state, "epoch": 2},
            lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
            lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
            lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
            lambda state: {f"model.backbone.{name}": tensor for name, tensor in state.items()},
        ],
        ids=["state_dict", "model", "net", "only", "parallel", "compiled", "both", "wrapped"],
    )
    def test_found_and_named(
        self, wrap: Callable[[State], Any], state: State, save: Save, import_bytes: Import, same: Same
    ) -> None:
        same(one(import_bytes(save(wrap(state))), "dense").weights, state)

    def test_what_is_no_tensor_is_dropped_and_named(
        self, state: State, save: Save, import_bytes: Import
    ) -> None:
        found = one(import_bytes(save({**state, "epoch": 3, "note": "x"})), "dense")
        assert found.details["dropped"] == ["epoch", "note"]

    def test_module_may_be_a_part_of_the_network(self, save: Save, import_bytes: Import) -> None:
        written = {"module.weight": torch.ones(2, 2), "fc.weight": torch.ones(2, 2)}
        assert list(one(import_bytes(save(written)), "dense").weights) == list(written)


class TestFormatAsked:
    def test_another_format_is_refused_naming_what_fits(self, save: Save, import_bytes: Import) -> None:
        caught = refused(lambda: import_bytes(save({"w": torch.ones(2, 2)}), format="torch_prune"))
        assert (caught.reason, caught.accepted) == (Reason.FORMAT_MISMATCH, "dense")

    def test_an_unknown_format_is_refused_naming_all(self, save: Save, import_bytes: Import) -> None:
        caught = refused(lambda: import_bytes(save({"w": torch.ones(2, 2)}), format="h5"))
        assert (caught.reason, caught.accepted) == (Reason.FORMAT_UNKNOWN, ", ".join(FORMATS))

    def test_arrays_are_numpy(self, save: Save, import_bytes: Import) -> None:
        assert isinstance(import_bytes(save({"w": torch.ones(2, 2)}))[1][0].weights["w"], np.ndarray)
