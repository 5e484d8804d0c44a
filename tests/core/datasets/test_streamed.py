from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from core.datasets import Batches, DatasetInvalid, streamed
from core.datasets.decoding import Pace, decode
from core.datasets.draws import Purpose, draw
from core.datasets.normalisation import Normalisation
from core.datasets.order import epoch_order
from core.datasets.streamed import Streamed
from core.datasets.views import NUMBERS

pytestmark = pytest.mark.filterwarnings(
    "ignore:This DataLoader will create 2 worker processes"
)  # on one core

CPU = torch.device("cpu")
LAST = torch.channels_last


@pytest.fixture(params=[Pace(0, 0), Pace(2, 1)], ids=["here", "beside"])
def dataset(photographs: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Streamed:
    monkeypatch.setitem(streamed._paces, photographs.train, request.param)
    found: Streamed = photographs.read()
    return found


def batches(dataset: Streamed, augment: bool = True, seed: int = 3) -> Batches:
    """Two steps an epoch: 36 images, which are two pieces, and 4."""
    return dataset.batches(batch=36, seed=seed, augment=augment, device=CPU, memory_format=LAST)


class TestBatches:
    @pytest.mark.parametrize("augment", [False, True])
    def test_they_are_the_ordered_images_decoded_one_by_one(
        self, dataset: Streamed, photographs: Any, augment: bool
    ) -> None:
        found = batches(dataset, augment)
        assert found.steps_per_epoch == 2
        normalise = Normalisation(dataset, CPU)
        for epoch in range(2):
            order = epoch_order(3, epoch, 40)
            numbers = draw(Purpose.RESIZED_CROP, 3, epoch, 40 * NUMBERS).reshape(40, NUMBERS)
            for step, positions in enumerate((range(36), range(36, 40)), 2 * epoch):
                images, labels = found.at(step)
                assert images.is_contiguous(memory_format=LAST)
                assert len(images) == len(labels) == len(positions)
                for image, label, position in zip(images, labels, positions, strict=True):
                    path, expected = sorted(photographs.expected[photographs.train])[order[position]]
                    assert label == expected
                    pixels = decode(str(path), numbers[position] if augment else None, 28)
                    normal = normalise(torch.tensor(pixels.transpose(2, 0, 1).copy())[None])
                    assert torch.equal(image, normal[0])

    def test_a_stream_begun_later_is_the_same_from_there(self, dataset: Streamed) -> None:
        whole = batches(dataset)
        seen = [whole.at(step) for step in range(6)]
        for start in (1, 2, 5):
            resumed = batches(dataset)
            for step in range(start, 6):
                for found, expected in zip(resumed.at(step), seen[step], strict=True):
                    assert torch.equal(found, expected)

    def test_steps_in_any_order(self, dataset: Streamed) -> None:
        jumping = batches(dataset)
        for step in (4, 0, 1, 1, 5, 2):
            for found, expected in zip(jumping.at(step), batches(dataset).at(step), strict=True):
                assert torch.equal(found, expected)

    def test_views_change_from_epoch_to_epoch_and_from_seed_to_seed(self, dataset: Streamed) -> None:
        images = [batches(dataset, seed=seed).at(step)[0] for seed, step in ((3, 0), (3, 2), (4, 0))]
        assert len({tensor.sum().item() for tensor in images}) == 3

    def test_a_broken_image_ends_the_step_by_name(self, dataset: Streamed, photographs: Any) -> None:
        order = epoch_order(3, 0, 40)
        broken, _ = sorted(photographs.expected[photographs.train])[order[38]]
        content = broken.read_bytes()
        broken.write_bytes(content[:200])
        found = batches(dataset)
        found.at(0)
        with pytest.raises(DatasetInvalid, match="is not a whole image") as refusal:
            found.at(1)
        assert str(refusal.value).startswith(f"{broken}: ")
        broken.write_bytes(content)
        assert torch.equal(found.at(1)[0], batches(dataset).at(1)[0])


class TestTestBatches:
    def test_they_are_all_test_images_in_order_as_often_as_asked(
        self, dataset: Streamed, photographs: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streamed, "PIECE", 2)
        monkeypatch.setattr(streamed, "_TEST_BATCH", 4)
        found = dataset.test_batches(CPU, LAST)
        normalise = Normalisation(dataset, CPU)
        for _ in range(2):
            images, labels = zip(*found, strict=True)
            assert [len(some) for some in labels] == [4, 4, 3]
            expected = sorted(photographs.expected[photographs.test])
            assert torch.cat(labels).tolist() == [label for _, label in expected]
            for image, (path, _) in zip(torch.cat(images), expected, strict=True):
                pixels = torch.tensor(decode(str(path), None, 28).transpose(2, 0, 1).copy())
                assert torch.equal(image, normalise(pixels[None])[0])

    def test_they_may_be_asked_for_between_two_steps(self, dataset: Streamed) -> None:
        training, test = batches(dataset), dataset.test_batches(CPU)
        training.at(0)
        assert sum(len(labels) for _, labels in test) == 11
        assert torch.equal(training.at(1)[0], batches(dataset).at(1)[0])


class TestNormalisation:
    def test_it_is_the_customary_one(self, photographs: Any) -> None:
        np.testing.assert_allclose(photographs.read().mean, [123.675, 116.28, 103.53])
        np.testing.assert_allclose(photographs.read().std, [58.395, 57.12, 57.375])


class TestPace:
    def test_it_is_measured_once(self, photographs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def measured(open_at: Any, batch: int) -> Pace:
            pieces = open_at(Pace(0, 0))
            calls.append((batch, [next(pieces).shape for _ in range(3)]))
            return Pace(0, 0)

        monkeypatch.setattr(streamed, "_paces", {})
        monkeypatch.setattr(streamed, "measured", measured)
        batches(photographs.read()).at(0)
        batches(photographs.read()).at(0)
        list(photographs.read().test_batches(CPU))
        assert calls == [(36, [(32, 28, 28, 3), (8, 28, 28, 3), (32, 28, 28, 3)])]


# As under a supervisor: a process that has torch forks the trainer, which decodes beside itself.
TRAINER = """
import os, signal, sys
from pathlib import Path
import torch
from core.datasets import imagenet, streamed
from core.datasets.decoding import Pace
from core.jobs.datasets import DATASETS, DatasetFacts

def train(train, test):
    facts = DatasetFacts("photographs", "", (3, 28, 28), 3, 40, 11, augmented=True)
    dataset = imagenet.read(facts, (train, test))
    streamed._paces[train] = Pace(2, 2)
    batches = dataset.batches(batch=8, seed=0, augment=True, device=torch.device("cpu"))
    batches.at(0)
    print(os.getpid(), flush=True)
    signal.pause()

if __name__ == "__main__":
    if os.fork() == 0:
        train(Path(sys.argv[1]), Path(sys.argv[2]))
    os.wait()
"""


def ended(processes: Iterable[psutil.Process]) -> bool:
    """Waits for their end; a zombie that nobody collects has ended too."""
    deadline = time.monotonic() + 10
    left = set(processes)
    while left and time.monotonic() < deadline:
        for process in tuple(left):
            with suppress(psutil.TimeoutExpired):
                process.wait(0.05)
                left.discard(process)
            if process in left and process.status() == psutil.STATUS_ZOMBIE:
                left.discard(process)
    return not left


class TestProcesses:
    def test_they_end_with_a_trainer_that_is_killed(self, photographs: Any) -> None:
        command = [sys.executable, "-c", TRAINER, str(photographs.train), str(photographs.test)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            assert select.select([parent.stdout], [], [], 60)[0]
            trainer = psutil.Process(int(parent.stdout.readline()))
            below = trainer.children(recursive=True)
            # Two that decode, the server that they are forked from, and what clears up after all.
            assert len(below) == 4
            trainer.kill()
            assert ended(below)

    def test_they_end_with_the_batches(self, photographs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(streamed._paces, photographs.train, Pace(2, 1))
        decoders = {p for p in psutil.Process().children(recursive=True) if p.name() == "pt_data_worker"}
        found = batches(photographs.read())
        found.at(0)
        after = {p for p in psutil.Process().children(recursive=True) if p.name() == "pt_data_worker"}
        assert len(after - decoders) == 2
        del found
        assert ended(after - decoders)
