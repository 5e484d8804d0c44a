"""A process of the real installation dies at every named point: the job ends right all the same.

CI takes a few points on each database; all of them on both: `make nightly`.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.crashpoints import OTHERS, POINTS, TRANSACTIONS
from tests.e2e.crash_scenarios import SCENARIOS, Scenario, find, upload
from tests.e2e.crashing import Installation, installation
from tests.e2e.installation import free_port

ROOT = Path(__file__).parents[2]
CASES: list[tuple[Scenario, str]] = [
    (scenario, point) for scenario, points in SCENARIOS.items() for point in points
]
QUICK: dict[str, list[tuple[Scenario, str]]] = {
    "sqlite": [
        (find, "submit.committed"),
        (find, "artifact.renamed"),
        (find, "succeed.committed"),
        (find, "hint.published"),
        (upload, "artifact.synced"),
    ],
    "postgresql": [(find, "claim.committed"), (find, "outcome.reported")],
}
"""What CI has time for."""
BY_HAND = {"verification.py", "admin.py", "limits.py", "sign_in.py", "gate.py", "refusals.py"}
"""Who asks for these writes asks again: `doctor --repair`, `elasticket admin`, a browser that signs in, a key."""


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest,
    lasting_url: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """One installation for many crashes; its parameter is the kind of database."""
    home = tmp_path_factory.mktemp(request.param)
    # A Unix socket's path has at most 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="elasticket-") as runtime,
        installation(home, lasting_url(request.param), Path(runtime), free_port()) as started,
    ):
        yield started


def crash(service: Installation, scenario: Scenario, point: str) -> None:
    try:
        scenario(service, point)
        service.settle()
    except BaseException:
        service.abandon()
        raise


class TestSomePoints:
    @pytest.mark.timeout(300)
    @pytest.mark.parametrize(
        "service", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)], indirect=True
    )
    def test_what_was_under_way_ends_as_if_nothing_had_died(self, service: Installation) -> None:
        kind = service.database.engine.dialect.name
        for scenario, point in QUICK[kind]:
            crash(service, scenario, point)


@pytest.mark.nightly
@pytest.mark.timeout(600)
class TestEveryPoint:
    @pytest.mark.parametrize("service", ["sqlite", "postgresql"], indirect=True)
    @pytest.mark.parametrize(
        ("scenario", "point"), CASES, ids=lambda value: getattr(value, "__name__", value)
    )
    def test_what_was_under_way_ends_as_if_nothing_had_died(
        self, service: Installation, scenario: Scenario, point: str
    ) -> None:
        crash(service, scenario, point)


class TestRegistry:
    def test_a_process_dies_at_every_point_and_at_no_other(self) -> None:
        assert {point.partition(":")[0] for _, point in CASES} == POINTS
        assert all(case in CASES for cases in QUICK.values() for case in cases)

    def test_the_source_passes_no_other_and_every_transaction_has_a_name(self) -> None:
        files = [path for name in ("api", "core", "workers", "cli") for path in (ROOT / name).rglob("*.py")]
        source = "".join(path.read_text() for path in files if path.name not in BY_HAND)
        assert set(re.findall(r'crashpoint\("(.+?)"\)', source)) == set(OTHERS)
        assert set(re.findall(r'passes\("(.+?)"\)', source)) == {"begun", "synced", "renamed", "published"}
        assert not re.findall(r"\.write\(\) as session", source)
        named = re.findall(r'(?:\.write\(|\.make\(database, )"(.+?)"', source)
        assert set(named) <= set(TRANSACTIONS)
