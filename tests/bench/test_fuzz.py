"""Every reader of a stranger's bytes: its seeds are read, and what mutation makes of them is read or refused."""

import random
import time

import pytest

from bench.fuzz.__main__ import Outcome, fuzz, table, told
from bench.fuzz.reader import NAMES, Reader, reader

SECONDS = 0.2
MOST = 2000
TOKENS = (
    b"\0",
    b"\xff",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"-1",
    b"99999999999999999999",
    b"\xff" * 8,
)


def mutated(seeds: list[bytes], numbers: random.Random) -> bytes:
    """A few changes of a seed: bytes flipped, cut out, doubled, tokens put in, two seeds joined."""
    data = bytearray(numbers.choice(seeds))
    for _ in range(numbers.randint(1, 4)):
        start = numbers.randint(0, len(data))
        stop = min(len(data), start + numbers.randint(1, 16))
        match numbers.randrange(5):
            case 0:
                data[start:stop] = numbers.randbytes(stop - start)
            case 1:
                del data[start:stop]
            case 2:
                data[start:start] = data[start:stop]
            case 3:
                data[start:start] = numbers.choice(TOKENS)
            case _:
                data[start:] = numbers.choice(seeds)[start:]
    return bytes(data)


@pytest.fixture(params=NAMES)
def one(request: pytest.FixtureRequest) -> Reader:
    return reader(request.param)


class TestReaders:
    @pytest.mark.filterwarnings("ignore")  # Pillow warns of what it then refuses
    def test_seeds_are_read_and_mutations_are_read_or_refused(self, one: Reader) -> None:
        seeds = one.seeds()
        for seed in seeds:
            one.read(seed)
        numbers = random.Random(one.name)
        ends = time.monotonic() + SECONDS
        for _ in range(MOST):
            data = mutated(seeds, numbers)
            try:
                one.one(data)
            except BaseException as error:
                raise AssertionError(f"{one.name} met {data!r} with {error!r}") from error
            if time.monotonic() > ends:
                break

    def test_the_empty_input_is_read_or_refused(self, one: Reader) -> None:
        one.one(b"")


class TestReport:
    def test_what_is_found_is_told(self) -> None:
        text = table([Outcome("ticket", 12345, 60, 77, 70, 71, ["crash-1"])])
        assert text.splitlines()[-1] == "| ticket | 12,345 | 60 | 206 | 77 | 70 | 71 | crash-1 |"

    def test_a_reader_is_fuzzed_for_a_moment(self, tmp_path) -> None:
        pytest.importorskip("atheris")
        outcome = fuzz("cursor", 1, tmp_path)
        assert outcome.found == []
        assert outcome.inputs > 100
        assert outcome.covered > 10
        assert 0 < outcome.early_rss <= outcome.peak_rss
        assert list(told(tmp_path)) == [outcome]

    def test_is_of_all_runs_and_of_the_memory_of_the_worst(self) -> None:
        first = Outcome("ticket", 100, 10, 77, 70, 90, [])
        second = Outcome("ticket", 50, 6, 78, 71, 72, ["crash-1"])
        assert second.after(first) == Outcome("ticket", 150, 16, 78, 70, 90, ["crash-1"])
