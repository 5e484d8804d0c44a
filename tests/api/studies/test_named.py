import pytest

from core.studies.recipes import STUDIES


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestDryRun:
    @pytest.mark.parametrize("scale", ["paper", "small"])
    def test_every_named_study_lists_its_jobs(self, client, scale):
        """Whatever has never been trained here, and whether or not its images are there."""
        for name in STUDIES:
            asked = {"study": name, "scale": scale}
            if (name, scale) == ("rivals", "paper"):
                asked["datasets"] = ["mnist"]
            answer = client.post("/studies?dry_run=true", json=asked)
            assert answer.status_code == 200, (name, answer.text)
            plan = answer.json()
            assert sum(plan["jobs"].values()) == len(plan["keys"]) > 0, name
