"""Who gives way, beside a search of all that could."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.placement import Held, Need, Offer, place
from core.jobs.preemption import MARGIN, MOST, Running, may_be_asked, victims

NOW, PATIENCE = 1000.0, 60.0


def running(name: str, priority: int = 0, **fields: object) -> Running:
    given_ = {"kind": "train", "held": Held(Need(), (0,)), "started_at": 0.0} | fields
    return Running(name, priority=priority, **given_)  # type: ignore[arg-type]


class TestMayBeAsked:
    def test_only_by_a_priority_that_is_clearly_higher(self) -> None:
        assert may_be_asked(running("a"), MARGIN, NOW, PATIENCE)
        assert not may_be_asked(running("a"), MARGIN - 1, NOW, PATIENCE)

    @pytest.mark.parametrize("kind", ["evaluate", "transform", "import", "export", "connect"])
    def test_never_what_saves_no_state(self, kind: str) -> None:
        assert not may_be_asked(running("a", kind=kind), 100, NOW, PATIENCE)

    @given(st.integers(0, MOST + 2))
    def test_an_attempt_is_left_alone_twice_as_long_each_time_and_in_the_end_for_ever(
        self, times: int
    ) -> None:
        long = PATIENCE * 2**times
        for ago, asked in ((long, times < MOST), (long - 1, False)):
            job = running("a", gave_way=times, started_at=NOW - ago)
            assert may_be_asked(job, 100, NOW, PATIENCE) is asked


crowds = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(0, 2), st.integers(1, 3), st.sampled_from(["train", "export"])),
    max_size=5,
)


class TestVictims:
    @given(crowds, st.integers(1, 3))
    def test_are_asked_where_that_makes_room_and_nobody_more(
        self, crowd: list[tuple[int, int, int, str]], devices: int
    ) -> None:
        offer = Offer(slots=4, gpus=3, gpu_memory=2)
        jobs: list[Running] = []
        for name, (priority, began, wanted, kind) in enumerate(crowd):
            need = Need("gpu", wanted, 1)
            gpus = place(offer, [one.held for one in jobs], need)
            if gpus is not None:
                held = Held(need, gpus)
                jobs.append(running(str(name), priority, held=held, started_at=float(began), kind=kind))
        need, priority = Need("gpu", devices, 2), MARGIN

        def makes_room(gone: tuple[Running, ...]) -> bool:
            return place(offer, [one.held for one in jobs if one not in gone], need) is not None

        willing = [one for one in jobs if one.kind == "train" and one.priority <= priority - MARGIN]
        ways = [gone for n in range(5) for gone in itertools.combinations(willing, n) if makes_room(gone)]
        found = victims(offer, jobs, need, priority, NOW, PATIENCE)
        assert (found is not None) == bool(ways)
        if found is not None:
            assert makes_room(tuple(found))
            assert set(found) <= set(willing)
            for one in found:
                assert not makes_room(tuple(other for other in found if other is not one))
            least = min(max((one.priority for one in gone), default=-9) for gone in ways)
            assert max((one.priority for one in found), default=-9) == least

    def test_of_equals_the_last_to_begin_is_asked(self) -> None:
        jobs = [
            running(name, held=Held(Need(), (gpu,)), started_at=began)
            for name, gpu, began in (("old", 0, 1.0), ("new", 1, 9.0))
        ]
        offer = Offer(slots=2, gpus=2, gpu_memory=1)
        assert victims(offer, jobs, Need("gpu"), 50, NOW, PATIENCE) == [jobs[1]]

    def test_a_worker_that_could_never_hold_the_job_asks_nobody(self) -> None:
        offer = Offer(slots=1, gpus=1, gpu_memory=1)
        assert victims(offer, [running("a")], Need("gpu", 2), 50, NOW, PATIENCE) is None
