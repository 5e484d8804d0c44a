import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from core.studies.significance import Difference, paired

# Accuracies: correct answers of 10,000.
counts = st.integers(0, 10_000)


class TestPaired:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(counts, counts), min_size=2, max_size=8))
    def test_it_is_the_paired_t_test(self, pairs: list[tuple[int, int]]) -> None:
        ours, theirs = ([pair[i] / 10_000 for pair in pairs] for i in range(2))
        found = paired(dict(enumerate(ours)), dict(enumerate(theirs)))
        assert found is not None
        assert found.pairs == len(pairs)
        if len({first - second for first, second in pairs}) == 1:
            assert found.p is None
        else:
            assert found.p == pytest.approx(ttest_rel(ours, theirs).pvalue, rel=1e-6, abs=1e-12)

    def test_seeds_that_one_of_both_lacks_do_not_count(self) -> None:
        found = paired({2: 0.9, 0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.625, 7: 0.1})
        assert found is not None
        assert (found.mean, found.pairs) == (0.1875, 2)

    def test_one_pair_has_a_difference_and_no_p(self) -> None:
        assert paired({0: 0.75}, {0: 0.5}) == Difference(0.25, 1, None)

    def test_the_same_difference_everywhere_has_no_p_though_it_is_rounded(self) -> None:
        assert 0.3 - 0.2 != 0.2 - 0.1
        found = paired({0: 0.3, 1: 0.2}, {0: 0.2, 1: 0.1})
        assert found is not None
        assert found.p is None

    def test_no_seed_in_common_is_no_difference(self) -> None:
        assert paired({0: 0.9}, {1: 0.9}) is None
