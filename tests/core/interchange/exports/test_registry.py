"""All formats at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core.families import architecture
from core.families.architecture import Role, TensorSpec
from core.interchange.exports.registry import EXPORTS
from core.interchange.exports.source import Source, Unavailable
from core.jobs.formats import FORMATS


class TestExports:
    def test_every_format_has_its_facts(self) -> None:
        assert list(EXPORTS) == list(FORMATS)
        for name, export in EXPORTS.items():
            assert asdict(FORMATS[name]).items() <= asdict(export).items()
            assert export.name == name

    def test_endings_tell_formats_apart(self) -> None:
        assert len({facts.suffix for facts in FORMATS.values()}) == len(FORMATS)
        assert all(facts.suffix.startswith(".") for facts in FORMATS.values())


@pytest.mark.parametrize("name", EXPORTS)
class TestWrite:
    def test_the_same_ticket_gives_the_same_bytes(
        self, name: str, sourced: Callable[..., Source], tmp_path: Path
    ) -> None:
        contents = []
        for file in ("one", "another"):
            (tmp_path / file).mkdir()
            source = sourced(architecture("mlp_2", (1, 3, 4), 5))
            EXPORTS[name].write(source, tmp_path / file / file)
            contents.append((tmp_path / file / file).read_bytes())
        assert contents[0] == contents[1]

    def test_no_path_of_this_machine_is_in_it(
        self, name: str, sourced: Callable[..., Source], written: Callable[[str, Source], Path]
    ) -> None:
        content = written(name, sourced(architecture("mlp_1", (1, 2, 2), 3))).read_bytes()
        assert str(Path(__file__).parents[4]).encode() not in content
        assert b"site-packages" not in content

    def test_replaces_what_was_there(
        self,
        name: str,
        sourced: Callable[..., Source],
        tmp_path: Path,
        written: Callable[[str, Source], Path],
    ) -> None:
        path = tmp_path / f"my{EXPORTS[name].suffix}"
        source = sourced(architecture("mlp_1", (1, 2, 2), 3))
        content = written(name, source).read_bytes()
        path.write_bytes(b"x" * 10_000_000)
        assert written(name, source).read_bytes() == content


class TestPostedArchitecture:
    @pytest.fixture
    def posted(self, sourced: Callable[..., Source]) -> Source:
        network = architecture("cifar_resnet_8_4", (3, 8, 8), 5)
        return sourced(replace(network, name="mine", family="mine", definition='{"name":"mine"}'))

    @pytest.mark.parametrize("name", [name for name, facts in FORMATS.items() if not facts.network])
    def test_tensors_alone_are_written(
        self, name: str, posted: Source, written: Callable[[str, Source], Path]
    ) -> None:
        assert written(name, posted).stat().st_size > posted.ticket.payload_bytes

    @pytest.mark.parametrize("name", [name for name, facts in FORMATS.items() if facts.network])
    def test_a_network_is_refused(self, name: str, posted: Source, tmp_path: Path) -> None:
        with pytest.raises(
            Unavailable, match=r"mine was posted .* accepted: tickets of the built-in families"
        ):
            EXPORTS[name].write(posted, tmp_path / "file")
        assert not (tmp_path / "file").exists()


class TestNamesThatClash:
    @pytest.mark.parametrize(
        ("name", "suffix"),
        [
            ("safetensors", "_mask"),
            ("huggingface", "_mask"),
            ("torch_prune", "_mask"),
            ("torch_prune", "_orig"),
        ],
    )
    def test_a_tensor_named_like_a_mask_is_refused(
        self, name: str, suffix: str, sourced: Callable[..., Source], tmp_path: Path
    ) -> None:
        network = architecture("mlp_1", (1, 2, 2), 3)
        own = TensorSpec(f"fc.weight{suffix}", (2,), Role.SHIFT)
        source = sourced(replace(network, tensors=(*network.tensors, own)))
        with pytest.raises(Unavailable, match=rf"fc\.weight{suffix} is a tensor of mlp_1") as caught:
            EXPORTS[name].write(source, tmp_path / "file")
        assert suffix in caught.value.accepted
        assert list(tmp_path.iterdir()) == []
