import logging

import pytest

from workers.outage import Outage


class TestOutage:
    def test_the_same_error_is_said_once_and_so_is_its_end(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        outage = Outage(logging.getLogger("t"), "relay")
        outage.is_over()
        for _ in range(1000):
            outage.goes_on(ConnectionError("refused\nat great length"))
        outage.goes_on(TimeoutError("late"))
        outage.is_over()
        outage.is_over()
        said = [record.message for record in caplog.records]
        assert said[:2] == [
            "relay failed and will be tried again: ConnectionError: refused",
            "relay failed and will be tried again: TimeoutError: late",
        ]
        assert said[2].startswith("relay works again, after ")
        assert len(said) == 3

    def test_one_that_lasts_is_said_again(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Outage, "EVERY_SECONDS", 0.0)
        outage = Outage(logging.getLogger("t"), "relay")
        for _ in range(3):
            outage.goes_on(ConnectionError("refused"))
        assert len(caplog.records) == 3
