import hashlib
import stat
from pathlib import Path

import pytest

from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artifacts")


def put(store: LocalStore, data: bytes) -> str:
    with store.stage() as staged:
        staged.write(data)
        return staged.commit()


def files(store: LocalStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


class TestStage:
    def test_the_key_is_the_digest_of_the_bytes(self, store: LocalStore) -> None:
        with store.stage() as staged:
            for chunk in (b"one ", b"two ", b"three"):
                staged.write(chunk)
            digest = staged.commit()
        assert digest == hashlib.sha256(b"one two three").hexdigest()
        assert store.path(digest).read_bytes() == b"one two three"

    def test_what_is_not_committed_leaves_nothing(self, store: LocalStore) -> None:
        with pytest.raises(RuntimeError, match="cut off"), store.stage() as staged:
            staged.write(b"half")
            raise RuntimeError("cut off")
        assert files(store) == []

    def test_the_same_bytes_twice_are_one_file(self, store: LocalStore) -> None:
        assert put(store, b"same") == put(store, b"same")
        assert len(files(store)) == 1

    def test_staged_bytes_can_be_read_before_the_commit(self, store: LocalStore) -> None:
        with store.stage() as staged:
            staged.write(b"look first")
            staged.flush()
            assert staged.path.read_bytes() == b"look first"

    def test_an_artifact_is_read_only(self, store: LocalStore) -> None:
        mode = store.path(put(store, b"fixed")).stat().st_mode
        assert not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


class TestSweep:
    def test_removes_what_was_left_half_written_and_nothing_else(self, store: LocalStore) -> None:
        digest = put(store, b"whole")
        abandoned = store.root / ".staged-abandoned"
        abandoned.write_bytes(b"half")
        store.sweep(older_than=3600)
        assert abandoned.exists()
        store.sweep(older_than=0)
        assert files(store) == [store.path(digest)]


class TestPath:
    @pytest.mark.parametrize("key", ["../../etc/passwd", "AB" * 32, "ab" * 31, "", "ab" * 31 + "/x"])
    def test_nothing_but_a_digest_is_a_key(self, store: LocalStore, key: str) -> None:
        with pytest.raises(ValueError, match="not a SHA-256 digest"):
            store.path(key)

    def test_a_missing_artifact_is_said_to_be_missing(self, store: LocalStore) -> None:
        with pytest.raises(ArtifactMissing):
            store.path("ab" * 32)


class TestVerified:
    def test_a_flipped_bit_is_found(self, store: LocalStore) -> None:
        digest = put(store, b"precious")
        damaged = store.path(digest)
        damaged.chmod(0o644)
        damaged.write_bytes(b"pRecious")
        with pytest.raises(ArtifactDamaged, match=digest):
            store.verified(digest)

    def test_storing_the_bytes_again_repairs_the_damage(self, store: LocalStore) -> None:
        digest = put(store, b"precious")
        store.path(digest).chmod(0o644)
        store.path(digest).write_bytes(b"torn")
        put(store, b"precious")
        assert store.verified(digest).read_bytes() == b"precious"


class TestDelete:
    def test_a_deleted_artifact_is_gone_and_deleting_again_is_no_error(self, store: LocalStore) -> None:
        digest = put(store, b"old")
        store.delete(digest)
        store.delete(digest)
        with pytest.raises(ArtifactMissing):
            store.path(digest)
