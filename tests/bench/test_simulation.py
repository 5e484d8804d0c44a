from collections import Counter
from typing import Any, ClassVar

import pytest

from bench.simulation.__main__ import simulate
from bench.simulation.findings import Findings
from bench.simulation.fleet import Fleet, Look
from bench.simulation.limits import limits
from bench.simulation.report import summary, tables
from bench.simulation.workload import ALONE, DAY, Workload
from bench.throughput import report as throughput
from core.settings import Settings

WORKLOAD = Workload(jobs=250, gpus=24, projects=3, load=1.5, batch=4.0, widths=ALONE)
FLEET = Fleet(hosts=6, gpus=4, mean_hours=0.5, away_seconds=120.0)
WIDE = Workload(jobs=60, gpus=8, projects=2, load=1.5, batch=5.0, widths=((1, 0.7), (2, 0.2), (4, 0.1)))


@pytest.fixture(scope="module")
def found() -> Findings:
    return simulate(WORKLOAD, FLEET, Settings())


@pytest.fixture(scope="module")
def figures(found: Findings) -> dict[str, Any]:
    return summary(found, WORKLOAD, FLEET, Settings())


class TestSimulate:
    def test_no_job_is_lost_or_done_twice_whatever_befalls_the_hosts(self, found: Findings) -> None:
        # `simulate` has asked the catalog's own history; these are the events that must have been in it.
        assert set(found.fates) == {"died", "was cut off", "was shut down"}
        assert found.transactions["lose"] > 0
        assert found.refused > 0
        assert found.transactions["succeed"] == WORKLOAD.jobs + found.late

    def test_every_job_waits_once(self, found: Findings) -> None:
        assert len(found.waits) == WORKLOAD.jobs
        assert min(wait.seconds for wait in found.waits) >= 0

    def test_no_slot_idles_while_a_job_waits(self, found: Findings) -> None:
        for sample in found.samples:
            assert sample.queued == 0 or sample.busy + sample.away == WORKLOAD.gpus

    def test_every_claim_is_of_the_most_urgent_and_of_the_project_that_has_the_least(
        self, found: Findings
    ) -> None:
        assert found.unfair == 0

    def test_the_urgent_wait_less(self, found: Findings) -> None:
        waits: dict[int, list[float]] = {}
        for wait in found.waits:
            waits.setdefault(wait.priority, []).append(wait.seconds)
        means = {priority: sum(each) / len(each) for priority, each in waits.items()}
        assert means[10] < means[0] < means[-10]

    @pytest.mark.nightly
    def test_jobs_of_several_gpus_end_too_and_the_same_seed_is_the_same_day(self) -> None:
        days = [simulate(WIDE, Fleet(2, 4, mean_hours=0.5), Settings()) for _ in range(2)]
        assert {wait.gpus for wait in days[0].waits} == {1, 2, 4}
        assert days[0].gave_way > 0
        assert days[0] == days[1]

    @pytest.mark.nightly
    def test_a_look_that_is_only_counted_would_have_found_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        some = simulate(WIDE, Fleet(2, 4, mean_hours=0.5), Settings())
        monkeypatch.setattr(Look, "is_no_better_than", lambda *_: False)
        assert simulate(WIDE, Fleet(2, 4, mean_hours=0.5), Settings()) == some


class TestWorkload:
    def test_a_project_asks_for_its_share_and_all_of_it_keeps_the_devices_as_busy_as_said(self) -> None:
        workload = Workload(jobs=20_000, gpus=100, projects=2, load=0.5, batch=10.0)
        asked: Counter[str] = Counter()
        requests = list(workload.requests())
        for request in requests:
            asked[request.project] += len(request.seconds)
        assert asked.total() == 20_000
        assert asked["project-1"] / asked["project-2"] == pytest.approx(2, rel=0.15)
        assert sorted(request.at for request in requests) == [request.at for request in requests]
        first_day = sum(request.gpus * sum(request.seconds) for request in requests if request.at < DAY)
        assert first_day / DAY / 100 == pytest.approx(0.5, rel=0.15)


class TestTables:
    NAMES = tuple(throughput.kept()["operations"]["transactions"])
    MEASURED: ClassVar[dict[str, Any]] = {
        "operations": {
            "transactions": {name: {"server_ms": 2.0, "log_bytes": 1000.0} for name in NAMES},
            "bytes_per_job": {"jobs": 3000},
        },
        "growth": [{"processor_ms": {"dispatcher": 0.5}}],
    }

    def test_rates_are_priced_by_what_was_measured(self, figures: dict[str, Any]) -> None:
        text = tables(figures, self.MEASURED)
        most = figures["per_second"]["claim"]["most"]
        mean = figures["per_second"]["claim"]["mean"]
        assert f"| claim | {mean:,.2f} | {most:,.2f} | {most * 0.002:.3f} |" in text
        rates = [rates["most"] for rates in figures["per_second"].values()]
        assert f"| {sum(rates):,.2f} | {sum(rates) * 0.002:.3f} | {sum(rates):,.0f} |" in text
        assert "every job succeeded once" in text

    def test_the_limit_that_is_met_first_comes_first(self, figures: dict[str, Any]) -> None:
        found = limits(figures, self.MEASURED)
        assert [limit.times for limit in found] == sorted(limit.times for limit in found)
        times = {limit.of: limit.times for limit in found}
        assert times["connections to PostgreSQL"] == 100 / (WORKLOAD.gpus + FLEET.hosts)
        assert times["the relay"] == 2000 / figures["told_per_second"]

    def test_no_transaction_is_left_out_of_the_minutes(self, figures: dict[str, Any]) -> None:
        assert sum(line["minutes"] for line in figures["by_queue"]) == len(figures["course"])
        assert sum(line["minutes"] for line in figures["by_ended"]) == len(figures["course"])
