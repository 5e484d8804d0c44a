"""Nowhere in the product can bytes from elsewhere become code: every file's syntax tree is searched for the ways."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("api", "cli", "core", "migrations", "workers")  # what is installed
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    "torch.load",
    "torch.jit.load",
    "torch.package.PackageImporter",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
}
OBJECTS = {"broadcast_object_list", "all_gather_object", "gather_object", "scatter_object_list"}
READERS = {
    # An unpickler that admits two inert stand-ins, for CIFAR's Python layout, and only as the datasets are read.
    "core/datasets/cifar.py": {"import pickle"},
    # What the processes of one training on several devices tell each other; no worker, no upload.
    "core/training/ranks.py": {"broadcast_object_list"},
}


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """What an expression names, its imports resolved: `np.load` is `numpy.load`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> dict[str, str]:
    """The names that a file's imports bind, and what for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname: one.name for one in node.names if one.asname}
            names |= {(top := one.name.split(".")[0]): top for one in node.names if not one.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return names


def ways(source: str) -> Iterator[str]:
    """All in a file by which bytes may become code."""
    tree = ast.parse(source)
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {one.name}" for one in node.names if one.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"import {node.module}"
        elif isinstance(node, ast.Call):
            called, given = dotted(node.func, names), {one.arg: one.value for one in node.keywords}
            if (isinstance(node.func, ast.Name) and called in BUILTINS) or called in CALLS:
                yield called
            elif called.rpartition(".")[2] in OBJECTS:
                yield called.rpartition(".")[2]
            for name in ("allow_pickle", "shell"):
                if name in given and not (
                    isinstance(given[name], ast.Constant) and given[name].value is False
                ):
                    yield name


def files() -> list[Path]:
    return [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]


class TestProduct:
    def test_has_no_way_but_those_that_are_known(self) -> None:
        found = {str(path.relative_to(ROOT)): set(ways(path.read_text())) for path in files()}
        assert len(found) > 200
        assert {path: how for path, how in found.items() if how} == READERS


class TestSearch:
    @pytest.mark.parametrize(
        "source",
        [
            "import pickle",
            "from pickle import loads as read",
            "import dill.source",
            "import torch as t\nt.load('a', weights_only=True)",
            "from torch import load\nload('a')",
            "from yaml import load as parse\nparse(b)",
            "import numpy as np\nnp.load(p, allow_pickle=True)",
            "import numpy\nnumpy.load(p, allow_pickle=flag)",
            "import subprocess\nsubprocess.run('ls', shell=True)",
            "import os\nos.system(words)",
            "eval('1')",
            "exec(code)",
            "__import__(name)",
            "import torch.distributed as d\nd.all_gather_object(a, b)",
        ],
    )
    def test_finds_each_way(self, source: str) -> None:
        assert list(ways(source))

    @pytest.mark.parametrize(
        "source",
        [
            "import pickletools",
            "import numpy as np\nnp.load(p, allow_pickle=False)",
            "model.eval()",
            "import torch\ntorch.compile(m)",
            "import json\njson.load(f)",
            "import re\nre.compile('a')",
        ],
    )
    def test_leaves_what_is_harmless(self, source: str) -> None:
        assert not list(ways(source))
