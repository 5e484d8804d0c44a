import itertools

from core.jobs.states import RETRYABLE, STATES, TERMINAL, State, sources

# The state graph as the design draws it, written out once more.
EDGES = {
    ("waiting", "queued"),
    ("waiting", "failed"),
    ("waiting", "cancelled"),
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelling"),
    ("running", "queued"),
    ("cancelling", "cancelled"),
    ("cancelling", "succeeded"),
    ("cancelling", "failed"),
}


class TestStates:
    def test_the_table_has_exactly_the_edges_of_the_graph(self) -> None:
        found = {(a.value, b.value) for a, b in itertools.product(State, State) if b in STATES[a].then}
        assert found == EDGES

    def test_sources_are_the_edges_read_backwards(self) -> None:
        for target in State:
            assert {state.value for state in sources(target)} == {a for a, b in EDGES if b == target}

    def test_terminal_states_lead_nowhere(self) -> None:
        assert {state.value for state in TERMINAL} == {"succeeded", "failed", "cancelled"}

    def test_only_ended_jobs_can_be_retried(self) -> None:
        assert RETRYABLE.issubset(TERMINAL)
