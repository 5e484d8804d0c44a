"""Artifacts in a bucket on a real S3 server."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from core.catalog import bucket as buckets
from core.catalog.artifacts import ArtifactDamaged, ArtifactMissing, StoreAway
from core.catalog.bucket import Bucket
from core.catalog.bucket_store import USED_SECONDS, BucketStore
from tests.buckets import raw

MOST = 1 << 20


@pytest.fixture
def bucket(bucket_url: str) -> Bucket:
    return Bucket(bucket_url)


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> BucketStore:
    return BucketStore(bucket, tmp_path / "cache", MOST, 60)


@pytest.fixture
def elsewhere(bucket: Bucket, tmp_path: Path) -> BucketStore:
    """The same bucket, as a machine has it that has used nothing of it yet."""
    return BucketStore(bucket, tmp_path / "elsewhere", MOST, 60)


def put(store: BucketStore, data: bytes) -> str:
    with store.stage() as staged:
        staged.write(data)
        return staged.commit()


def overwrite(endpoint: str, url: str, digest: str, data: bytes) -> None:
    name, _, prefix = url.removeprefix("s3://").partition("/")
    raw(endpoint).put_object(Bucket=name, Key=f"{prefix}/{digest[:2]}/{digest}", Body=data)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds, path.stat().st_mtime))


class TestStage:
    def test_what_was_committed_is_there_for_every_machine(
        self, store: BucketStore, elsewhere: BucketStore
    ) -> None:
        digest = put(store, b"some bytes")
        assert digest == hashlib.sha256(b"some bytes").hexdigest()
        assert elsewhere.path(digest).read_bytes() == b"some bytes"
        assert [(one.digest, one.size) for one in elsewhere.stored()] == [(digest, 10)]

    def test_the_same_bytes_twice_are_one_object(self, store: BucketStore) -> None:
        assert put(store, b"twice") == put(store, b"twice")
        assert len(list(store.stored())) == 1

    def test_what_is_not_committed_leaves_nothing(self, store: BucketStore, bucket: Bucket) -> None:
        with store.stage() as staged:
            staged.write(b"half")
        assert list(bucket.list()) == []
        assert store.unfinished() == []

    def test_a_large_file_goes_in_parts_and_comes_back_whole(
        self, store: BucketStore, elsewhere: BucketStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(buckets, "PART_BYTES", 5 << 20)
        data = os.urandom((11 << 20) + 7)
        digest = put(store, data)
        assert elsewhere.verified(digest).read_bytes() == data
        assert elsewhere.has_intact(digest)
        assert store.unfinished() == []

    def test_one_that_cannot_be_sent_is_not_there(
        self, tmp_path: Path, object_store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = BucketStore(Bucket("s3://no-such-bucket"), tmp_path / "cache", MOST)
        with pytest.raises(StoreAway, match="NoSuchBucket"):
            put(store, b"x")
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        with pytest.raises(StoreAway, match="no bucket no-such-bucket"):
            store.ready()


class TestVerified:
    def test_an_absent_artifact_is_missing(self, store: BucketStore) -> None:
        for ask in (store.path, store.verified, store.intact, store.measure):
            with pytest.raises(ArtifactMissing):
                ask("ab" * 32)
        assert not store.has_intact("ab" * 32)

    def test_a_damaged_object_never_becomes_a_copy(
        self, store: BucketStore, elsewhere: BucketStore, object_store: str, bucket_url: str
    ) -> None:
        digest = put(store, b"right")
        overwrite(object_store, bucket_url, digest, b"wrong")
        with pytest.raises(ArtifactDamaged):
            elsewhere.path(digest)
        assert not [path for path in elsewhere.root.rglob("*") if path.is_file()]
        assert not elsewhere.has_intact(digest)
        with pytest.raises(ArtifactDamaged):
            elsewhere.address(digest, "file", "x/y")

    @pytest.mark.parametrize("ask", ["verified", "intact"])
    def test_a_damaged_copy_is_fetched_again(self, store: BucketStore, ask: str) -> None:
        digest = put(store, b"right")
        copy = store.path(digest)
        copy.chmod(0o644)
        copy.write_bytes(b"wrong")
        assert getattr(store, ask)(digest).read_bytes() == b"right"

    def test_storing_it_again_repairs_the_object(
        self, store: BucketStore, object_store: str, bucket_url: str
    ) -> None:
        digest = put(store, b"right")
        overwrite(object_store, bucket_url, digest, b"wrong")
        put(store, b"right")
        assert store.has_intact(digest)


class TestCopies:
    """At most so many bytes of them, but for those in use."""

    def test_those_used_longest_ago_go(self, store: BucketStore) -> None:
        digests = [put(store, bytes([n]) * (MOST // 4)) for n in range(4)]
        for n, digest in enumerate(digests):
            age(store.path(digest), 10 * USED_SECONDS + (n == 2))
        age(store.path(digests[0]), USED_SECONDS / 2)
        put(store, b"x" * (MOST // 2))
        left = {one.digest for one in super(BucketStore, store).stored()}
        assert left & set(digests) == {digests[0], digests[3]}
        assert all(store.path(digest) for digest in digests), "the bucket has them all"

    def test_those_used_lately_stay_though_there_is_no_room(self, store: BucketStore) -> None:
        digests = [put(store, bytes([n]) * MOST) for n in range(3)]
        assert {one.digest for one in super(BucketStore, store).stored()} == set(digests)

    def test_one_that_a_process_holds_stays_until_it_ends(self, store: BucketStore, bucket: Bucket) -> None:
        digest = put(store, b"held")
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, bucket.url, str(store.root), digest],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for filling in (b"a", b"b"):
            age(store.root / digest[:2] / digest, 2 * USED_SECONDS)
            put(store, filling * 2 * MOST)
            assert (store.root / digest[:2] / digest).exists() == (holder.poll() is None)
            holder.kill()
            holder.communicate()


HOLDER = """
import sys
from pathlib import Path
from core.catalog.bucket import Bucket
from core.catalog.bucket_store import BucketStore
with BucketStore(Bucket(sys.argv[1]), Path(sys.argv[2]), 1).holding([sys.argv[3]]):
    print("held", flush=True)
    sys.stdin.read()
"""


class TestAddress:
    def test_anyone_gets_the_file_there_under_its_name(self, store: BucketStore) -> None:
        digest = put(store, b"some bytes")
        address = store.address(digest, "mine.bin", "x/y")
        assert address is not None
        answer = httpx.get(address, headers={"Range": "bytes=5-"})
        assert (answer.status_code, answer.content) == (206, b"bytes")
        assert answer.headers["content-disposition"] == 'attachment; filename="mine.bin"'
        assert answer.headers["content-type"] == "x/y"

    def test_it_names_the_server_as_clients_reach_it(self, bucket: Bucket, tmp_path: Path) -> None:
        digest = put(BucketStore(bucket, tmp_path / "a", MOST, 60), b"x")
        outside = Bucket(bucket.url, "https://s3.example:444")
        address = BucketStore(outside, tmp_path / "b", MOST, 60).address(digest, "x", "x/y")
        assert address is not None
        assert httpx.URL(address).host == "s3.example"

    def test_there_is_none_where_that_is_not_wanted(self, bucket: Bucket, tmp_path: Path) -> None:
        store = BucketStore(bucket, tmp_path / "a", MOST, 0)
        assert store.address(put(store, b"x"), "x", "x/y") is None


class TestDiscard:
    def test_what_was_written_since_then_stays(self, store: BucketStore) -> None:
        digest = put(store, b"x")
        assert not store.discard(digest, time.time() - 60)
        assert store.has_intact(digest)
        assert store.discard(digest, time.time() + 60)
        assert not store.discard(digest, time.time() + 60)
        assert not store.has_intact(digest)


class TestPointers:
    def test_a_name_means_what_it_was_last_said_to(self, store: BucketStore, elsewhere: BucketStore) -> None:
        assert store.pointed("ab") is None
        for digest in ("cd" * 32, "ef" * 32):
            store.point("ab", digest)
        store.point("vision/ab", "cd" * 32)
        assert elsewhere.pointed("ab") == "ef" * 32
        assert sorted(name for name, _ in elsewhere.pointers()) == ["ab", "vision/ab"]
        elsewhere.unpoint("ab")
        assert store.pointed("ab") is None


class TestSweep:
    def test_what_was_being_sent_in_parts_long_ago_is_given_up(
        self, store: BucketStore, bucket: Bucket
    ) -> None:
        # This server says of every upload that it was begun in 2010.
        bucket.begin("abandoned")
        bucket.abandon(0)
        assert len(store.unfinished()) == 1
        store.sweep(60)
        assert store.unfinished() == []
