"""Everything a definition may be refused for, and the one text that stands for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.families.definition import BadDefinition, made_definition, read_definition
from core.families.posted import posted_architecture
from tests.core.families.definitions import column, defined, plain_stage

REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("a built-in member's name", column(4), {"name": "mlp_2"}, "/name", "built-in family"),
    ("a built-in member out of limits", column(4), {"name": "mlp_0"}, "/name", "built-in family"),
    ("a built-in family's name", column(4), {"name": "cifar_resnet"}, "/name", "built-in family"),
    ("a name with a colon", column(4), {"name": "a:1"}, "/name", "pattern"),
    ("a name of 41 letters", column(4), {"name": "a" * 41}, "/name", "pattern"),
    ("no tensors", {}, {}, "/tensors", "at least 1"),
    ("a fractional shape", {"a.weight": [2.0, 2]}, {}, "/tensors/0/shape/0", "integer"),
    ("a boolean shape", {"a.weight": [True, 2]}, {}, "/tensors/0/shape/0", "integer"),
    ("a side of zero", {"a.weight": [0, 2]}, {}, "/tensors/0/shape/0", "greater than or equal to 1"),
    ("nine dimensions", {"a.weight": [1] * 9}, {}, "/tensors/0/shape", "at most 8"),
    ("half precision", {"a": {"shape": [1], "dtype": "F16"}}, {}, "/tensors/0/dtype", "'F32' or 'I64'"),
    ("an unknown field of a tensor", {"a": {"shape": [1], "mask": 1}}, {}, "/tensors/0/mask", "not permitted"),
    ("a path for a name", {"../a": [1]}, {}, "/tensors/0/name", "pattern"),
    ("a name of 257 letters", {"a" * 257: [1]}, {}, "/tensors/0/name", "at most 256"),
    ("a tensor called like a mask", {"a.weight": [2, 2], "a.weight.bits": [4]}, {}, "/tensors", "a.weight.bits"),
    ("nothing prunable", {"a.weight": [4]}, {}, "/prunable", "no tensor is prunable"),
    ("all of it dense", column(4), {"dense": ["*"]}, "/prunable", "no tensor is prunable"),
    ("no glob", column(4), {"prunable": []}, "/prunable", "at least 1"),
    ("a set in a glob", column(4), {"prunable": ["[ab]*"]}, "/prunable/0", "pattern"),
    ("an input of two sides", column(4), {"input": [8, 8]}, "/input/2", "required"),
    ("an input too large", column(4), {"input": [3, 8, 4097]}, "/input/2", "less than or equal to 4096"),
    ("no classes at all", column(4), {"classes": 0}, "/classes", "greater than or equal to 1"),
    ("an unknown field", column(4), {"code": "import os"}, "/code", "not permitted"),
    ("no {unit}", column(4), {"stages": [plain_stage(pattern="b.")]}, "/stages/0/pattern", "pattern"),
    ("two {unit}", column(4), {"stages": [plain_stage(pattern="{unit}.{unit}.")]}, "/stages/0/pattern", "pattern"),
    ("no dot at the end", column(4), {"stages": [plain_stage(pattern="b.{unit}")]}, "/stages/0/pattern", "pattern"),
    ("a pattern of nothing", column(4), {"stages": [plain_stage(pattern="c.{unit}.")]}, "/stages/0/pattern",
        "no tensor's name begins with c."),
    ("a gap", {"b.0.weight": [2, 2], "b.2.weight": [2, 2]}, {"stages": [plain_stage()]}, "/stages/0/pattern",
        "number 1 is missing"),
    ("units of different shapes", column(4, 4, 5), {"stages": [plain_stage()]}, "/stages/0", "0 and 2 differ: weight"),
    ("units of different names", {**column(4, 4), "b.1.bias": [4]}, {"stages": [plain_stage()]}, "/stages/0",
        "0 and 1 differ: bias"),
    ("units of different roles", column(4, 4), {"stages": [plain_stage()], "dense": ["b.1.*"]}, "/stages/0",
        "0 and 1 differ: weight"),
    ("fixed in the middle", column(4, 4, 4), {"stages": [plain_stage(fixed=[1])]}, "/stages/0/fixed", "not a run"),
    ("fixed before the tail", column(4, 4, 4), {"stages": [plain_stage(fixed=[-2])]}, "/stages/0/fixed", "not a run"),
    ("fixed twice", column(4, 4, 4), {"stages": [plain_stage(fixed=[0, 0])]}, "/stages/0/fixed", "not a run"),
    ("more fixed than there are", column(4), {"stages": [plain_stage(fixed=[0, -1])]}, "/stages/0/fixed", "2 pos"),
    ("two stages of one name", {**column(4), "c.0.w": [2]}, {"stages": [plain_stage(),
        plain_stage(pattern="c.{unit}.")]}, "/stages", "stands twice"),
    ("a tensor of two stages", {"b.0.c.0.weight": [2, 2]}, {"stages": [plain_stage(),
        plain_stage(name="t", pattern="b.0.c.{unit}.")]}, "/stages", "belongs to b.{unit}. and to"),
    ("one numbering, not divided", column(4, 4), {"stages": [plain_stage(), plain_stage(name="t")]},
        "/stages/0/units", "do not divide"),
    ("one numbering with a gap", column(4, 4, 4), {"stages": [plain_stage(units=[0, 0]),
        plain_stage(name="t", units=[2, 2])]}, "/stages/1/units", "do not divide"),
    ("one numbering, not to its end", column(4, 4, 4), {"stages": [plain_stage(units=[0, 1])]}, "/stages/0/units",
        "do not divide"),
    ("units backwards", column(4, 4), {"stages": [plain_stage(units=[1, 0])]}, "/stages/0/units", "do not divide"),
    ("65 stages", column(4), {"stages": [plain_stage()] * 65}, "/stages", "at most 64"),
    ("two megabytes", {f"{'a' * 200}.{i}.weight": [2, 2] for i in range(10_000)}, {}, "", "too long"),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(
        ("tensors", "changes", "where", "what"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
    )
    def test_says_where_and_what(self, tensors, changes, where, what):
        with pytest.raises(BadDefinition) as refusal:
            posted_architecture(defined(tensors, **changes))
        assert refusal.value.where == where
        assert what in refusal.value.what
        assert refusal.value.accepted
        assert str(refusal.value).isascii()
        assert len(str(refusal.value)) < 800

    def test_a_tensor_listed_twice(self):
        tensor = {"name": "a.weight", "shape": [2, 2]}
        with pytest.raises(BadDefinition, match="stands twice"):
            posted_architecture(
                made_definition({"name": "n", "prunable": ["*"], "tensors": [tensor, tensor]})
            )


class TestCanonicalForm:
    def test_keeps_the_order_of_the_tensors(self):
        family = defined({"z.weight": [2, 2], "a.weight": [2, 2]})
        again = read_definition(family.canonical)
        assert [spec.name for spec in posted_architecture(again).tensors] == ["z.weight", "a.weight"]

    def test_says_nothing_that_is_at_its_default(self):
        explicit = defined(
            column(4, 4), input=None, classes=None, dense=[], stages=[plain_stage(fixed=[], units=None)]
        )
        assert explicit.canonical == defined(column(4, 4), stages=[plain_stage()]).canonical
        assert json.loads(explicit.canonical).keys() == {"name", "prunable", "stages", "tensors"}

    def test_the_object_and_the_list_are_one(self):
        tensors = [{"name": "b.0.weight", "shape": [4, 4], "dtype": "F32"}]
        assert made_definition({"name": "net", "prunable": ["*.weight"], "tensors": tensors}) == defined(
            column(4)
        )

    @pytest.mark.parametrize(
        "text",
        [
            *("", "[]", "{}", "null", "1", "\ud800", "{" * 100_000, '{"name":"a"}', "9" * 5000),
            json.dumps({"name": "net", "prunable": ["*"], "tensors": [{"name": "a", "shape": [2, 2]}]}),
            '{"name":"x","name":"net","prunable":["*"],"tensors":[{"name":"a","shape":[2,2]}]}',
            '{"classes":null,"name":"net","prunable":["*"],"tensors":[{"name":"a","shape":[2,2]}]}',
            '{"name":"net","prunable":["*"],"tensors":{"a":[2,2]}}',
            '{"name":"net","prunable":["*"],"tensors":[{"name":"a","shape":[NaN,2]}]}',
            '{"name":"net","prunable":["*"],"\\u00e9":1,"tensors":[{"name":"a","shape":[2,2]}]}',
            " " * (2 * 1024 * 1024 + 1),
        ],
        ids=range(16),
    )
    def test_no_other_text_is_read(self, text):
        with pytest.raises(BadDefinition) as refusal:
            read_definition(text)
        assert str(refusal.value).isascii()
