"""The attack table, formats: what only the values of a file tell.

Every file must end in the reason that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from core.interchange.failure import Reason, Unreadable

R = Reason
Attack = Callable[[Any], bytes]
Refusal = Callable[..., Unreadable]


def flat(b: Any, value: float) -> bytes:
    weights = torch.ones(3, 4)
    weights[1, 2] = value
    return b.saved({"fc.weight": weights})


# What is wrong, the reason, a part of where, the file as `build` makes it.
TABLE: list[tuple[str, Reason, str, Attack]] = [
    # Pickles that are broken or too much.
    ("a dict without tensors", R.STATE_MISSING, "file", lambda b: b.pth(b.mapping(a=b.number(1)))),
    (
        "two networks",
        R.STATE_AMBIGUOUS,
        "file",
        lambda b: b.saved({"a": {"w": b.ONES}, "b": {"w": b.ONES.clone()}}),
    ),
    # Tensors that are not what they say.
    ("a path for a name", R.TENSOR_NAME, "etc/passwd", lambda b: b.saved({"../../etc/passwd": b.ONES})),
    ("a name with a newline", R.TENSOR_NAME, r"w\n", lambda b: b.saved({"w\n": b.ONES})),
    ("a name of 257 letters", R.TENSOR_NAME, "aaa", lambda b: b.saved({"a" * 257: b.ONES})),
    (
        "a lone surrogate",
        R.TENSOR_NAME,
        r"\ud800",
        lambda b: b.pth(b"}" + b.text("\ud800") + b.tensor() + b"s"),
    ),
    ("NaN", R.NOT_FINITE, "fc.weight[6]", lambda b: flat(b, float("nan"))),
    ("infinity", R.NOT_FINITE, "fc.weight[6]", lambda b: flat(b, float("-inf"))),
    (
        "float64 beyond float32",
        R.NOT_FINITE,
        "w[0]",
        lambda b: b.saved({"w": torch.tensor([1e300], dtype=torch.float64)}),
    ),
    (
        "a boolean of 2",
        R.MASK_VALUE,
        "w",
        lambda b: b.zipped(
            [("a/data.pkl", b.pickled(b.mapping(w=b.tensor(kind="BoolStorage")))), ("a/data/0", b"\x02" * 6)]
        ),
    ),
    # Masks.
    ("a mask of 2", R.MASK_VALUE, "conv.weight[4]", lambda b: b.masked(torch.tensor([[1, 0, 1], [0, 2, 1]]))),
    ("a mask of 0.5", R.MASK_VALUE, "conv.weight[0]", lambda b: b.masked(b.ONES / 2)),
    ("a mask of NaN", R.MASK_VALUE, "conv.weight[0]", lambda b: b.masked(b.ONES * float("nan"))),
    ("a mask of −1", R.MASK_VALUE, "conv.weight[0]", lambda b: b.masked(-b.ONES.int())),
    ("a mask of another shape", R.MASK_SHAPE, "conv.weight", lambda b: b.masked(torch.ones(3, 2))),
    (
        "an original without its mask",
        R.TENSOR_MISSING,
        "fc.weight_orig",
        lambda b: b.masked(b.ONES, **{"fc.weight_orig": torch.ones(2)}),
    ),
    (
        "an original and the tensor",
        R.TENSOR_UNEXPECTED,
        "conv.weight",
        lambda b: b.masked(b.ONES, **{"conv.weight": torch.ones(2)}),
    ),
    (
        "a mask of a bias",
        R.MASK_NOT_PRUNABLE,
        "fc.bias",
        lambda b: b.saved({"fc.bias": torch.ones(2), "fc.bias_mask": torch.tensor([1.0, 0.0])}),
    ),
    # Tar archives.
    (
        "an archive of something else",
        R.FORMAT_UNKNOWN,
        "archive",
        lambda b: b.tar_of(("README.md", b"hello")),
    ),
    ("a level without a model", R.MEMBER_MISSING, "archive", lambda b: b.level(mask=b.MASK)),
    (
        "a mask of no weight",
        R.MASK_WITHOUT_WEIGHT,
        "fc.weight",
        lambda b: b.level(mask=b.MASK, model=b.saved({"w": b.ONES})),
    ),
    (
        "a report of another density",
        R.REPORT_DISAGREES,
        "sparsity_ratio",
        lambda b: b.level(mask=b.MASK, model=b.MODEL, report=b'{"sparsity_ratio": 0.4}'),
    ),
    (
        "a report of NaN",
        R.REPORT_SYNTAX,
        "sparsity_report",
        lambda b: b.level(mask=b.MASK, model=b.MODEL, report=b'{"sparsity_ratio": NaN}'),
    ),
    (
        "a report of 100,000 lists",
        R.REPORT_SYNTAX,
        "sparsity_report",
        lambda b: b.level(mask=b.MASK, model=b.MODEL, report=b"[" * 60_000),
    ),
    *(
        (
            f"a report {report!r}",
            R.REPORT_SYNTAX,
            "sparsity_report",
            lambda b, report=report: b.level(mask=b.MASK, model=b.MODEL, report=report),
        )
        for report in (
            b"[]",
            b'"total"',
            b'{"total": "2"}',
            b'{"total": "nan"}',
            b'{"total": true}',
            b'{"total": null}',
            b'{"total": 1e999}',
            b"",
        )
    ),
    (
        "a report of nothing",
        R.TENSOR_SHAPE,
        "fc.weight",
        lambda b: b.level(
            mask=b.saved({"fc.weight": torch.zeros(0, 2)}),
            model=b.saved({"fc.weight": torch.zeros(0, 2)}),
            report=b'{"total": 0}',
        ),
    ),
    (
        "level 1001",
        R.LEVEL_TOO_HIGH,
        "level_1001",
        lambda b: b.tar_of(
            ("level_1001/main/mask.pth", b.MASK), ("level_1001/main/model_ep0_it0.pth", b.MODEL)
        ),
    ),
    (
        "level 0001",
        R.FORMAT_UNKNOWN,
        "archive",
        lambda b: b.tar_of(
            ("level_0001/main/mask.pth", b.MASK), ("level_0001/main/model_ep0_it0.pth", b.MODEL)
        ),
    ),
    # Names, wherever they are.
    (
        "an original with a NUL",
        R.TENSOR_NAME,
        r"\x00",
        lambda b: b.masked(b.ONES, **{"a\0b_orig": b.ONES.clone()}),
    ),
    (
        "a list of masks for a newline",
        R.TENSOR_NAME,
        r"\n",
        lambda b: b.saved({"model": {"w\n.weight": b.ONES}, "rigl": {"backward_masks": [b.ONES.clone()]}}),
    ),
    (
        "a mask with a newline",
        R.TENSOR_NAME,
        r"\n",
        lambda b: b.saved({"model": {"weight": b.ONES}, "mask": {"a\n": b.ONES.clone()}}),
    ),
    ("an empty tensor", R.TENSOR_SHAPE, "e", lambda b: b.saved({"w": b.ONES, "e": torch.ones(3, 0)})),
    # Safetensors.
    (
        "a safetensors boolean of 5",
        R.MASK_VALUE,
        "a",
        lambda b: b.safetensors({"a": b.entry("BOOL", [1], 0, 1)}, b"\x05"),
    ),
]


class TestFormats:
    @pytest.mark.parametrize(
        ("reason", "where", "attack"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
    )
    def test_refused_with_the_reason(
        self, build: Any, refusal: Refusal, reason: Reason, where: str, attack: Attack
    ) -> None:
        found = refusal(attack(build))
        assert found.reason is reason, str(found)
        assert where in found.where, str(found)
