"""What came out again, counted by hand."""

from typing import Any

from core.studies.reproduction import Difference, Figures, StudyOutcome, Tally, compare, in_words

PRINT = {"torch": "2.13", "threads": 1}


def outcome(fingerprint: dict[str, Any] = PRINT, **jobs: Figures) -> StudyOutcome:
    return StudyOutcome(fingerprints=[fingerprint], jobs=jobs)


FIND = Figures(tickets=["a", "b"], weights=["u", "v"], accuracies=[0.5, 0.6], fingerprints=[0, 0])
TRAIN = Figures(weights=["w"], accuracies=[0.7], fingerprints=[0])
GIVEN = outcome(find=FIND, train=TRAIN)


class TestCompare:
    def test_all_is_the_same(self) -> None:
        found = compare(GIVEN, GIVEN, dict.fromkeys(("find", "train", "more"), "succeeded"))
        assert found.tallies == {
            "tickets": Tally(same=2),
            "weights": Tally(same=3),
            "accuracies": Tally(same=3),
        }
        assert (found.different, found.complete, found.same_circumstances) == ([], True, True)

    def test_what_has_not_ended_is_to_come(self) -> None:
        found = compare(GIVEN, outcome(), {"find": "running", "train": "waiting"})
        assert found.tallies["weights"] == Tally(to_come=3)
        assert (found.different, found.complete, found.same_circumstances) == ([], False, None)
        assert in_words(found) == "tickets: 2 to come; trained weights: 3 to come; accuracies: 3 to come"

    def test_each_difference_is_told_with_both_sides(self) -> None:
        other = FIND.model_copy(update={"tickets": ["a", "c"], "weights": ["u"]})
        found = compare(GIVEN, outcome(find=other, train=TRAIN), dict.fromkeys(GIVEN.jobs, "succeeded"))
        assert found.different == [
            Difference("find", "tickets", 1, "b", "c"),
            Difference("find", "weights", 1, "v", None),
        ]
        assert found.tallies["tickets"] == Tally(same=1, different=1)
        assert in_words(found).startswith(
            "tickets: 1 same, 1 different; trained weights: 2 same, 1 different;"
        )

    def test_what_failed_or_cannot_be_begun_differs(self) -> None:
        found = compare(GIVEN, outcome(), {"find": "failed", "train": "blocked"})
        assert found.different == [
            Difference("find", "state", None, "succeeded", "failed"),
            Difference("train", "state", None, "succeeded", "blocked"),
        ]
        assert found.tallies["weights"] == Tally(different=3)
        assert found.complete

    def test_other_circumstances_are_named_and_nothing_is_promised_within_them(self) -> None:
        here = outcome(PRINT | {"threads": 2}, find=FIND, train=TRAIN)
        found = compare(GIVEN, here, dict.fromkeys(GIVEN.jobs, "succeeded"))
        assert found.circumstances == {"threads": ([1], [2])}
        assert found.same_circumstances is False
        assert "nothing is promised (threads 1 there, 2 here)" in in_words(found)
