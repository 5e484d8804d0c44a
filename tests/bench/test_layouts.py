from __future__ import annotations

import pytest

from bench.layouts import Layout, ours, reference


class TestOurs:
    def test_one_core_leaves_one_choice(self) -> None:
        assert ours(1) == (Layout(1, 1),)

    def test_two_cores_are_threads_or_processes(self) -> None:
        assert ours(2) == (Layout(1, 1), Layout(1, 2), Layout(2, 1))

    def test_threads_double_and_end_at_all_cores(self) -> None:
        assert [layout.threads for layout in ours(6)] == [1, 2, 4, 6, 1]

    def test_all_sleep_while_they_wait_as_trainers_do(self) -> None:
        assert {layout.environment["OMP_WAIT_POLICY"] for layout in ours(8)} == {"passive"}


class TestReference:
    def test_it_may_do_whatever_ours_may(self) -> None:
        assert set(ours(4)) < set(reference(4))

    def test_it_may_load_in_processes_of_their_own(self) -> None:
        assert {layout.loaders for layout in reference(2)} == {0, 1, 2}

    def test_no_more_loaders_than_cores(self) -> None:
        assert {layout.loaders for layout in reference(1)} == {0, 1}

    def test_spinning_is_tried_only_where_a_thread_could_wait(self) -> None:
        spinning = [layout for layout in reference(2) if not layout.passive]
        assert spinning
        assert {layout.threads for layout in spinning} == {2}

    def test_spinning_is_openmps_own_choice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        assert "OMP_WAIT_POLICY" not in Layout(1, 2, passive=False).environment

    def test_each_is_tried_once(self) -> None:
        assert len(set(reference(4))) == len(reference(4))


class TestLayout:
    def test_json_makes_it_again(self) -> None:
        layout = Layout(1, 2, loaders=1, passive=False)
        assert Layout(**layout.as_json()) == layout

    def test_its_name_says_what_is_not_usual(self) -> None:
        assert str(Layout(2, 1)) == "2 × 1 thread"
        assert str(Layout(1, 2, 2, passive=False)) == "1 × 2 threads, 2 loaders, spinning"
