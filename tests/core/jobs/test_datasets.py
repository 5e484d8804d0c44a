from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.jobs.datasets import DATASETS, DatasetFacts


class TestDatasets:
    def test_all_are_there(self) -> None:
        assert list(DATASETS) == [
            "digits",
            "digits_32",
            "mnist",
            "fashion_mnist",
            "cifar10",
            "cifar10_224",
            "cifar100",
            "svhn",
            "tiny_imagenet",
            "imagenet",
        ]

    def test_only_photographs_are_flipped(self) -> None:
        assert [name for name, facts in DATASETS.items() if facts.augmented] == [
            "cifar10",
            "cifar10_224",
            "cifar100",
            "tiny_imagenet",
            "imagenet",
        ]

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"])
    def test_sources_are_pinned_and_yield_a_layout(self, name: str) -> None:
        facts = DATASETS[name]
        assert all(re.fullmatch("[0-9a-f]{64}", source.sha256) for source in facts.sources)
        archive = any(source.file.endswith(".tar.gz") for source in facts.sources)
        assert archive or tuple(source.file for source in facts.sources) == facts.layouts[0]

    def test_all_but_svhn_are_downloaded_in_private(self) -> None:
        plain = {name for name, facts in DATASETS.items() for s in facts.sources if s.url[:8] != "https://"}
        assert plain == {"svhn"}  # its server answers under http only; the SHA-256 is what counts

    def test_facts_and_recipes_import_neither_torch_nor_sklearn(self) -> None:
        heavy = "{'torch', 'sklearn'} & sys.modules.keys()"
        program = f"import sys, core.jobs.datasets, core.jobs.recipes; sys.exit(bool({heavy}))"
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_an_upsampled_dataset_differs_in_its_size_alone(self) -> None:
        small, large = DATASETS["cifar10"], DATASETS["cifar10_224"]
        assert large.input == (3, 224, 224)
        assert replace(large, name=small.name, title=small.title, input=small.input, upsampled=None) == small

    def test_it_is_looked_for_where_the_other_is(self, tmp_path: Path) -> None:
        assert DATASETS["cifar10"].roots(tmp_path) == (tmp_path / "cifar10", tmp_path)
        assert DATASETS["cifar10_224"].roots(tmp_path) == (tmp_path / "cifar10", tmp_path)


class TestFilesIn:
    @staticmethod
    def facts(*layouts: tuple[str, ...]) -> DatasetFacts:
        return DatasetFacts("x", "X", (1, 8, 8), 2, 4, 2, augmented=False, layouts=layouts)

    def test_the_first_complete_layout_counts(self, tmp_path: Path) -> None:
        facts = self.facts(("a", "b"), ("c",), ("d",))
        for name in "acd":
            (tmp_path / name).touch()
        assert facts.files_in(tmp_path) == (tmp_path / "c",)

    def test_no_complete_layout(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        assert self.facts(("a", "b")).files_in(tmp_path) is None

    def test_a_name_that_ends_in_a_slash_is_that_of_a_folder(self, tmp_path: Path) -> None:
        facts = self.facts(("list", "images/"))
        (tmp_path / "list").touch()
        (tmp_path / "images").touch()
        assert facts.files_in(tmp_path) is None
        (tmp_path / "images").unlink()
        (tmp_path / "images").mkdir()
        assert facts.files_in(tmp_path) == (tmp_path / "list", tmp_path / "images")

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "list").mkdir()
        assert self.facts(("list",)).files_in(tmp_path) is None
