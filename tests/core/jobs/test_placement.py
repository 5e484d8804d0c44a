"""The arithmetic of placement beside a model that tries every choice, with declared devices."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.placement import (
    DEVICES,
    STEP,
    Candidate,
    Held,
    Need,
    Offer,
    could,
    in_turn,
    is_large,
    need_of,
    place,
)
from core.jobs.specs import ExportSpec, TrainSpec, TransformSpec

needs = st.builds(
    Need,
    st.sampled_from(sorted(DEVICES)),
    st.integers(1, 4),
    st.none() | st.integers(1, 8).map(lambda n: n * STEP),
)
offers = st.builds(
    Offer,
    slots=st.integers(1, 5),
    memory=st.integers(0, 8).map(lambda n: n * STEP),
    gpus=st.integers(0, 4),
    gpu_memory=st.integers(0, 8).map(lambda n: n * STEP),
    takes=st.sets(st.sampled_from(sorted(DEVICES)), min_size=1).map(frozenset),
)


def train(**fields: object) -> TrainSpec:
    return TrainSpec(architecture="mlp_1", dataset="digits", **fields)  # type: ignore[arg-type]


class TestNeed:
    @given(needs)
    def test_is_written_and_read_back(self, need: Need) -> None:
        assert Need.parse(str(need)) == need

    @pytest.mark.parametrize(
        ("need", "text", "queue"),
        [
            (Need(), "any", "elasticket"),
            (Need("any", 4), "any-4", "elasticket"),
            (Need("cpu", 2, 256), "cpus-2+256m", "elasticket.cpu"),
            (Need("gpu", 1, 2048), "gpu+2048m", "elasticket.gpu"),
            (Need("gpu", 4), "gpus-4", "elasticket.gpus-4"),
        ],
    )
    def test_has_a_name_and_a_queue(self, need: Need, text: str, queue: str) -> None:
        assert (str(need), need.queue) == (text, queue)

    @pytest.mark.parametrize("text", ["", "tpu", "gpu-", "gpus-4+2g", "gpu 2"])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is no need"):
            Need.parse(text)


class TestNeedOf:
    def test_a_training_needs_what_its_spec_says_and_memory_in_steps(self) -> None:
        assert need_of(train()) == Need()
        assert need_of(train(device="gpu", devices=2, memory_mib=STEP + 1)) == Need("gpu", 2, 2 * STEP)

    def test_what_computes_with_no_network_needs_a_cpu(self) -> None:
        for spec in (
            TransformSpec(tickets=["0" * 64], architecture="mlp_2"),
            ExportSpec(ticket="0" * 64, format="onnx"),
        ):
            assert need_of(spec) == Need("cpu")


def amounts(offer: Offer, need: Need) -> tuple[float, float]:
    """What a job takes of the machine's memory, and of each of its GPUs, as shares of what there is."""
    slots_of_gpu = -(-offer.slots // offer.gpus) if offer.gpus else 1
    of_machine = 1 / offer.slots if need.memory is None else need.memory * need.devices / (offer.memory or 1)
    known = need.memory is not None and offer.gpu_memory
    return of_machine, need.memory / offer.gpu_memory if known else 1 / slots_of_gpu  # type: ignore[operator]


def fits(offer: Offer, held: list[Held]) -> bool:
    """Whether a worker can have all these at once."""
    machine, gpus = 0.0, [0.0] * offer.gpus
    for one in held:
        of_machine, of_gpu = amounts(offer, one.need)
        machine += 0 if one.gpus or not offer.memory else of_machine
        for gpu in one.gpus:
            gpus[gpu] += of_gpu
    return len(held) <= offer.slots and all(used <= 1 + 1e-9 for used in (machine, *gpus))


def choices(offer: Offer, need: Need) -> list[tuple[int, ...]]:
    """Every set of GPUs that a job may have at all on a worker."""
    if need.device not in offer.takes or (need.device == "gpu" and not offer.gpus):
        return []
    if need.device == "cpu" or not offer.gpus:
        return [()]
    return list(itertools.combinations(range(offer.gpus), need.devices))


class TestPlace:
    @given(offers, st.lists(needs, max_size=8))
    def test_gives_a_place_whenever_there_is_one_and_never_more_than_there_is(
        self, offer: Offer, asked: list[Need]
    ) -> None:
        held: list[Held] = []
        for need in asked:
            gpus = place(offer, held, need)
            possible = [one for one in choices(offer, need) if fits(offer, [*held, Held(need, one)])]
            assert (gpus is not None) == bool(possible)
            if gpus is not None:
                assert gpus in possible
                held.append(Held(need, gpus))

    def test_several_small_jobs_share_a_gpu_as_far_as_its_memory_goes(self) -> None:
        offer = Offer(slots=8, gpus=1, gpu_memory=10 * STEP)
        held: list[Held] = []
        while (gpus := place(offer, held, Need("gpu", 1, 3 * STEP))) is not None:
            held.append(Held(Need("gpu", 1, 3 * STEP), gpus))
        assert [one.gpus for one in held] == [(0,)] * 3
        assert place(offer, held, Need("gpu", 1, STEP)) == (0,)
        assert place(offer, held, Need("gpu", 1, 2 * STEP)) is None

    def test_a_small_job_joins_others_so_that_a_whole_gpu_stays_free(self) -> None:
        offer, small = Offer(slots=4, gpus=2, gpu_memory=4 * STEP), Need("gpu", 1, STEP)
        assert place(offer, [Held(small, (1,))], small) == (1,)
        assert place(offer, [Held(small, (1,))], Need("gpu", 1, 4 * STEP)) == (0,)

    def test_what_declares_nothing_takes_the_share_of_a_slot(self) -> None:
        offer = Offer(slots=2, gpus=2, gpu_memory=4 * STEP)
        assert place(offer, [Held(Need(), (0,))], Need()) == (1,)
        assert place(Offer(slots=2, gpus=1, gpu_memory=STEP), [Held(Need(), (0,))], Need()) == (0,)

    def test_a_job_for_the_cpu_leaves_the_gpus_alone(self) -> None:
        offer = Offer(slots=2, memory=STEP, gpus=1, gpu_memory=STEP)
        assert place(offer, [Held(Need("gpu"), (0,))], Need("cpu")) == ()
        assert place(offer, [Held(Need("cpu"))], Need("gpu", 1, STEP)) == (0,)


class TestCould:
    @given(offers, needs)
    def test_asks_of_a_worker_that_does_nothing(self, offer: Offer, need: Need) -> None:
        assert could(offer, need) == any(fits(offer, [Held(need, one)]) for one in choices(offer, need))


class TestIsLarge:
    @given(offers, needs)
    def test_a_job_is_unless_it_fits_beside_as_many_others_as_there_are_slots(
        self, offer: Offer, need: Need
    ) -> None:
        if could(offer, need) and not is_large(offer, need):
            others: list[Held] = []
            filler = Need("cpu") if () in choices(offer, need) else Need("any")
            all_in = Offer(offer.slots, offer.memory, offer.gpus, offer.gpu_memory)
            while len(others) < offer.slots - 1 and (gpus := place(all_in, others, filler)) is not None:
                others.append(Held(filler, gpus))
            assert place(offer, others, need) is not None


class TestOffer:
    def test_listens_to_what_it_can_serve(self) -> None:
        assert Offer(slots=1).queues == ["elasticket", "elasticket.cpu"]
        assert Offer(slots=1, gpus=3, takes=frozenset({"gpu"})).queues == [
            "elasticket.gpu",
            "elasticket.gpus-2",
            "elasticket.gpus-3",
        ]

    @given(offers, needs)
    def test_hears_of_every_job_that_it_could_do(self, offer: Offer, need: Need) -> None:
        if could(offer, need):
            assert need.queue in offer.queues


candidates = st.lists(
    st.builds(
        Candidate,
        project=st.sampled_from("abc"),
        need=st.just("any"),
        priority=st.integers(-1, 1),
        created_at=st.integers(0, 3).map(float),
        id=st.integers(0, 999).map(str),
    ),
    unique_by=lambda one: one.id,
    max_size=12,
)


class TestInTurn:
    @given(candidates, st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)))
    def test_is_the_rule_step_by_step(self, given_: list[Candidate], usage: dict[str, int]) -> None:
        left = list(given_)
        for chosen in in_turn(given_, usage):
            highest = max(one.priority for one in left)
            urgent = [one for one in left if one.priority == highest]
            fewest = min(usage.get(one.project, 0) for one in urgent)
            poorest = [one for one in urgent if usage.get(one.project, 0) == fewest]
            first = min(one.created_at for one in poorest)
            assert chosen == min((one for one in poorest if one.created_at == first), key=lambda one: one.id)
            left.remove(chosen)
        assert left == []
