import json

from core.jobs.outcome import Outcome, ProducedTicket, ResultRecord, RunRecord

RUN = RunRecord(
    architecture="mlp_1",
    dataset="digits",
    ticket_id="ab" * 32,
    seed=1,
    order_seed=2,
    level=None,
    sparsity=0.25,
    start_step=7,
    steps=12,
    seconds=0.5,
    history=[{"epoch": 1}],
    fingerprint={"threads": 1},
    weights_digest="cd" * 32,
)


class TestOutcome:
    def test_survives_json(self) -> None:
        outcome = Outcome(
            runs=[RUN],
            results=[ResultRecord(dataset="digits", point="last", correct=9, total=10, loss=0.1, run=0)],
            tickets=[ProducedTicket("ef" * 32)],
        )
        assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome
