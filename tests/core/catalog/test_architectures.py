"""Posted architectures on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from core.catalog import architectures
from core.catalog.architectures import NameTaken, Size
from core.catalog.database import Database
from core.families import UnknownArchitecture, architecture
from core.families.definition import BadDefinition, Definition, made_definition
from core.families.posted import posted_architecture


def chain(name: str = "chain", width: int = 4, depth: int = 3, **changes: Any) -> Definition:
    """Equal layers; the names do not stand in their alphabetical order."""
    layers = {f"b.{i}.weight": [width, width] for i in range(depth)}
    return made_definition(
        {
            "name": name,
            "input": [1, 2, 2],
            "classes": 4,
            "prunable": ["*.weight"],
            "stages": [{"name": "b", "pattern": "b.{unit}."}],
            "tensors": {"z.weight": [width, 4], **layers, "a.weight": [4, width]},
        }
        | changes
    )


class TestPost:
    def test_new_once(self, database: Database):
        with database.write() as session:
            assert architectures.post(session, chain())
        with database.write() as session:
            assert not architectures.post(session, chain())

    def test_what_comes_back_is_what_went_in(self, database: Database):
        with database.write() as session:
            architectures.post(session, chain())
        with database.read() as session:
            found = architectures.get(session, "chain", (1, 2, 2), 4)
        assert found == chain()
        assert [s.name for s in posted_architecture(found).tensors] == [
            *["z.weight", "b.0.weight", "b.1.weight", "b.2.weight", "a.weight"]
        ]

    @pytest.mark.parametrize("other", [chain(width=5), chain(depth=2), chain(dense=["a.*"])])
    def test_another_content_under_the_name_is_refused(self, database: Database, other: Definition):
        with database.write() as session:
            architectures.post(session, chain())
        with database.write() as session, pytest.raises(NameTaken, match=r"chain on \[1, 2, 2\], 4 classes"):
            architectures.post(session, other)

    def test_another_input_or_number_of_classes_is_another_one(self, database: Database):
        with database.write() as session:
            for definition in (chain(), chain(classes=5), chain(input=None), chain(input=None, classes=None)):
                assert architectures.post(session, definition)
            assert architectures.sizes(session, ["chain", "other"]) == [
                Size("chain", (0, 0, 0), 0),
                Size("chain", (0, 0, 0), 4),
                Size("chain", (1, 2, 2), 4),
                Size("chain", (1, 2, 2), 5),
            ]

    def test_what_describes_no_family_is_not_entered(self, database: Database):
        with database.write() as session:
            with pytest.raises(BadDefinition):
                architectures.post(session, chain(name="mlp_2"))
            assert architectures.get(session, "mlp_2", (1, 2, 2), 4) is None


class TestEnsure:
    def test_enters_the_family_of_a_posted_member(self, database: Database):
        with database.write() as session:
            architectures.ensure(session, posted_architecture(chain(), [7]))
            assert architectures.get(session, "chain", (1, 2, 2), 4) == chain()
            architectures.ensure(session, posted_architecture(chain(), [5]))

    def test_a_built_in_one_needs_nothing(self, database: Database):
        with database.write() as session:
            architectures.ensure(session, architecture("mlp_2", [1, 8, 8], 10))
            assert architectures.page(session, 10) == ([], None)


class TestDescriber:
    def test_names_built_in_and_posted_members(self, database: Database):
        with database.write() as session:
            architectures.post(session, chain())
            describe = architectures.describer(session)
            assert describe("mlp_2", (1, 8, 8), 10) is architecture("mlp_2", [1, 8, 8], 10)
            assert describe("chain:9", (1, 2, 2), 4) is posted_architecture(chain(), [9])
            assert describe("chain", (1, 2, 2), 4).name == "chain:3"

    @pytest.mark.parametrize(
        ("name", "shape", "classes", "accepted"),
        [
            ("nothing", (1, 2, 2), 4, "cifar_resnet_D"),
            ("chain:3", (1, 2, 2), 5, r"accepted: \[1, 2, 2\], 4 classes"),
            ("chain:3", (1, 2, 3), 4, r"accepted: \[1, 2, 2\], 4 classes"),
            ("chain:3-3", (1, 2, 2), 4, "entries of b, 1 numbers"),
            ("chain:0", (1, 2, 2), 4, "unknown architecture"),
        ],
    )
    def test_others_are_answered_with_what_is_accepted(self, database, name, shape, classes, accepted):
        with database.write() as session:
            architectures.post(session, chain())
            with pytest.raises(UnknownArchitecture, match=accepted):
                architectures.describer(session)(name, shape, classes)


class TestPage:
    def test_names_in_order_each_once(self, database: Database):
        with database.write() as session:
            for name in ("d", "b", "timm:a", "c", "a"):
                architectures.post(session, chain(name=name))
            architectures.post(session, chain(name="b", classes=9))
            seen, after = [], ""
            while after is not None:
                names, after = architectures.page(session, 2, after)
                seen.append(names)
            assert seen == [["a", "b"], ["c", "d"], ["timm:a"]]
