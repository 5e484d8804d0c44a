from __future__ import annotations

import subprocess
import sys

import pytest

from core.jobs.datasets import DATASETS


class TestDatasets:
    def test_the_four_are_there(self) -> None:
        assert list(DATASETS) == ["digits", "mnist", "fashion_mnist", "cifar10"]

    def test_only_photographs_are_flipped(self) -> None:
        assert [name for name, facts in DATASETS.items() if facts.augmented] == ["cifar10"]

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
    def test_sources_are_pinned_and_yield_a_layout(self, name: str) -> None:
        facts = DATASETS[name]
        assert all(len(source.sha256) == 64 and source.url.startswith("https://") for source in facts.sources)
        archive = any(source.file.endswith(".tar.gz") for source in facts.sources)
        assert archive or tuple(source.file for source in facts.sources) == facts.layouts[0]
        assert len(facts.layouts) == 2

    def test_facts_and_recipes_import_neither_torch_nor_sklearn(self) -> None:
        heavy = "{'torch', 'sklearn'} & sys.modules.keys()"
        program = f"import sys, core.jobs.datasets, core.jobs.recipes; sys.exit(bool({heavy}))"
        subprocess.run([sys.executable, "-c", program], check=True)
