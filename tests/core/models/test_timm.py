"""timm's models as families. Runs where timm can be imported."""

from __future__ import annotations

import pytest
import torch

from core.elastic.transform import transform
from core.elastic.unit_map import Order, named_map
from core.families import UnknownArchitecture
from core.families.posted import posted_architecture, posted_member
from core.models import timm
from core.models.state import load_state, state

pytestmark = pytest.mark.usefixtures("timm")


def images(shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))


class TestDefine:
    @pytest.mark.parametrize(
        ("name", "shape", "canonical"),
        [
            ("timm:vit_tiny_patch16_224", (3, 32, 32), "timm:vit_tiny_patch16_224:12"),
            ("timm:vit_tiny_patch16_224:6", (3, 32, 32), "timm:vit_tiny_patch16_224:12"),
            ("timm:resnet18", (1, 32, 32), "timm:resnet18:2-2-2-2"),
            ("timm:resnet50", (3, 64, 64), "timm:resnet50:3-4-6-3"),
            ("timm:swin_tiny_patch4_window7_224", (3, 224, 224), "timm:swin_tiny_patch4_window7_224:2-2-6-2"),
            ("timm:convnext_atto", (3, 32, 32), "timm:convnext_atto:2-2-6-2"),
            ("timm:mixer_s32_224", (3, 64, 64), "timm:mixer_s32_224:8"),
        ],
    )
    def test_the_stages_are_the_models_own(self, name, shape, canonical):
        member = posted_architecture(timm.define(name, shape, 10))
        assert (member.name, member.input, member.classes) == (canonical, shape, 10)

    def test_the_tensors_are_those_of_the_network_in_order(self):
        member = posted_architecture(timm.define("timm:resnet18", (3, 32, 32), 7))
        network = timm.build(member)
        assert [(s.name, s.shape) for s in member.tensors] == [
            (name, tuple(value.shape)) for name, value in network.state_dict().items()
        ]
        assert {s.name for s in member.prunable} == {
            name for name, value in network.named_parameters() if value.ndim >= 2
        }

    @pytest.mark.parametrize(
        ("name", "shape", "why"),
        [
            ("timm:no_such_model", (3, 32, 32), "Unknown model"),
            ("resnet18", (3, 32, 32), "no model of timm"),
            ("timm:hf-hub:a/b", (3, 32, 32), "no model of timm"),
            ("timm:resnet18.no_such_tag", (3, 32, 32), "timm refuses"),
            ("timm:", (3, 32, 32), "no model of timm"),
        ],
    )
    def test_what_timm_does_not_have_is_refused(self, name, shape, why):
        with pytest.raises(UnknownArchitecture, match=why):
            timm.define(name, shape, 10)


class TestBuild:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("timm:vit_tiny_patch16_224:2", (3, 32, 32)),
            ("timm:vit_tiny_patch16_224:14", (1, 32, 48)),
            ("timm:resnet18:1-2-3-1", (3, 32, 32)),
            ("timm:convnext_atto:3-1-2-1", (3, 32, 32)),
        ],
    )
    def test_a_member_of_another_depth_runs(self, name, shape):
        member = posted_member(timm.define(name, shape, 5), name)
        assert member.name == name
        network = timm.build(member).eval()
        assert {s.name: s.shape for s in member.tensors} == {
            key: tuple(value.shape) for key, value in network.state_dict().items()
        }
        with torch.no_grad():
            assert network(images(shape)).shape == (2, 5)

    def test_a_squeezed_network_computes_with_the_blocks_it_kept(self):
        family = timm.define("timm:vit_tiny_patch16_224", (3, 32, 32), 5)
        source, target = (posted_architecture(family, [count]) for count in (12, 2))
        whole = timm.build(source).eval()
        order = named_map(Order.DROP_LAST, source.anatomy, target.anatomy)
        small = timm.build(target).eval()
        load_state(small, transform(state(whole), source.anatomy, target.anatomy, order))
        whole.blocks = whole.blocks[:2]
        with torch.no_grad():
            assert torch.equal(small(images((3, 32, 32))), whole(images((3, 32, 32))))

    def test_counts_that_the_constructor_does_not_take_are_refused(self):
        family = timm.define("timm:mobilenetv2_100", (3, 32, 32), 5)
        own = posted_architecture(family)
        counts = [len(stage.entries) + 1 for stage in own.anatomy.stages]
        with pytest.raises(UnknownArchitecture, match=f"takes nothing; accepted: {own.name}"):
            timm.build(posted_architecture(family, counts))


class TestWithoutTimm:
    def test_the_refusal_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(__import__("sys").modules, "timm", None)
        with pytest.raises(UnknownArchitecture, match=r"pip install 'elasticket\[timm\]'"):
            timm.define("timm:efficientnet_b0", (3, 33, 33), 3)
