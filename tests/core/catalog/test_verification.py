import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.catalog import tickets
from core.catalog.artifacts import LocalStore
from core.catalog.bucket import Bucket
from core.catalog.bucket_store import BucketStore
from core.catalog.database import Database
from core.catalog.verification import repair, verify
from core.families import architecture
from core.families.initialisation import initialise
from core.tickets import Metadata, Ticket, read, ticket_id, write


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "artifacts")


def put(store: LocalStore, data: bytes) -> str:
    with store.stage() as staged:
        staged.write(data)
        return staged.commit()


@pytest.fixture
def enter(database: Database, store: LocalStore) -> Callable[[int], tuple[str, str]]:
    return entering(database, store)


def entering(database: Database, store: LocalStore) -> Callable[[int], tuple[str, str]]:
    """Enters a ticket; its id and the digest of its file."""

    def make(seed: int) -> tuple[str, str]:
        network = architecture("mlp_1", (1, 8, 8), 10)
        masks = {spec.name: np.ones(spec.shape, np.bool_) for spec in network.prunable}
        ticket, stream = Ticket.from_dense(network, 0, masks, initialise(network, seed)), io.BytesIO()
        write(ticket, Metadata(dataset="digits", method="imp", seed=seed), stream)
        digest, identity = put(store, stream.getvalue()), ticket_id(ticket)
        with database.write() as session:
            tickets.register(session, identity, read(store.path(digest)), digest)
        return identity, digest

    return make


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


class TestVerify:
    def test_a_whole_store_has_no_fault(self, database: Database, store: LocalStore, enter: Callable) -> None:
        digests = {enter(seed)[1] for seed in range(3)}
        seen: list[tuple[int, int]] = []
        found = verify(database, store, lambda done, of: seen.append((done, of)))
        assert (found.checked, found.faults, found.orphans, found.unfinished) == (3, [], [], [])
        assert found.bytes == sum(store.path(digest).stat().st_size for digest in digests)
        assert seen == [(1, 3), (2, 3), (3, 3)]

    @pytest.mark.parametrize(
        ("harm", "fault"), [(flip, "digest"), (cut, "bytes instead"), (Path.unlink, "missing")]
    )
    def test_each_damage_is_found_and_whose_it_is(
        self, database: Database, store: LocalStore, enter: Callable, harm: Callable, fault: str
    ) -> None:
        enter(0)
        identity, digest = enter(1)
        harm(store.path(digest))
        (found,) = verify(database, store).faults
        assert (found.digest, found.needed_by) == (digest, [f"ticket {identity}"])
        assert fault in found.fault

    def test_everything_a_ticket_has_is_looked_at(
        self, database: Database, store: LocalStore, enter: Callable
    ) -> None:
        identity, digest = enter(0)
        with database.write() as session:
            tickets.register(session, identity, read(store.path(digest)), digest, weights={"0": "ab" * 32})
            tickets.add_copy(session, identity, "onnx", "cd" * 32)
        needs = [one.needed_by for one in verify(database, store).faults]
        assert needs == [
            [f"dense weights at step 0 of ticket {identity}"],
            [f"onnx file of ticket {identity}"],
        ]

    def test_old_files_nobody_names_are_listed_and_young_ones_are_not(
        self, database: Database, store: LocalStore
    ) -> None:
        old, young = put(store, b"old"), put(store, b"young")
        os.utime(store.path(old), (time.time() - 7200,) * 2)
        (store.root / ".staged-x").touch()
        found = verify(database, store)
        assert (found.orphans, found.unfinished) == ([old], [".staged-x"])
        assert young not in found.orphans


class TestBucket:
    def test_its_objects_are_looked_at_and_not_the_copies(
        self, database: Database, bucket_url: str, object_store: str, tmp_path: Path
    ) -> None:
        store = BucketStore(Bucket(bucket_url), tmp_path / "cache", 1 << 20)
        enter = entering(database, store)
        (_, damaged), (_, missing), (_, whole) = enter(0), enter(1), enter(2)
        Bucket(bucket_url).write(f"{damaged[:2]}/{damaged}", b"wrong" * 100)
        Bucket(bucket_url).delete(f"{missing[:2]}/{missing}")
        found = {fault.digest: fault.fault for fault in verify(database, store).faults}
        assert found.keys() == {damaged, missing}
        assert found[missing] == "missing"
        backup = LocalStore(tmp_path / "backup")
        for digest in (damaged, missing, whole):
            put(backup, store.path(digest).read_bytes())
        assert len(repair(database, store, verify(database, store), [backup])) == 2
        assert verify(database, store).faults == []


class TestRepair:
    @pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
    def test_what_another_store_has_whole_is_copied(
        self, database: Database, store: LocalStore, enter: Callable, tmp_path: Path, harm: Callable
    ) -> None:
        _, digest = enter(0)
        backup, torn = LocalStore(tmp_path / "backup"), LocalStore(tmp_path / "torn")
        for other in (backup, torn):
            put(other, store.path(digest).read_bytes())
        cut(torn.path(digest))
        harm(store.path(digest))
        (done,) = repair(database, store, verify(database, store), [torn, backup])
        assert done == f"{digest}: copied from {backup.root}"
        assert verify(database, store).faults == []

    def test_what_no_other_store_has_stays_a_fault(
        self, database: Database, store: LocalStore, enter: Callable, tmp_path: Path
    ) -> None:
        _, digest = enter(0)
        flip(store.path(digest))
        assert repair(database, store, verify(database, store), [LocalStore(tmp_path / "none")]) == []
        assert [fault.digest for fault in verify(database, store).faults] == [digest]

    def test_a_file_in_another_format_is_forgotten(
        self, database: Database, store: LocalStore, enter: Callable
    ) -> None:
        identity, _ = enter(0)
        with database.write() as session:
            tickets.add_copy(session, identity, "onnx", "cd" * 32)
        repair(database, store, verify(database, store))
        with database.read() as session:
            assert tickets.copy(session, identity, "onnx") is None


class TestIntact:
    def test_a_file_is_hashed_again_when_it_was_written_to(self, store: LocalStore) -> None:
        digest = put(store, b"precious")
        assert hashlib.sha256(store.intact(digest).read_bytes()).hexdigest() == digest
        flip(store.path(digest))
        assert not store.has_intact(digest)
        put(store, b"precious")
        assert store.has_intact(digest)
