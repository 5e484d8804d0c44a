from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from core import tracing
from tests.collector import Collector, collecting

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OFF = """
import sys
import api.app, workers.dispatcher
from core import tracing
tracing.start("api")
with tracing.span("x", {"a": 1}) as span:
    span.tell({"b": 2}, name="y", failed=True)
    tracing.record("z", 1.0, 2.0)
    assert tracing.carrier() is None and not tracing.sending()
assert not [name for name in sys.modules if name.startswith("opentelemetry.exporter")]
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        tracing.start("test")
        yield found
        tracing.stop()


class TestSpan:
    def test_continues_the_callers_trace_and_holds_those_within(self, collector: Collector) -> None:
        with tracing.span("outer", {"size": 3}, parent=CALLER, kind="server"):
            carrier = tracing.carrier()
            with tracing.span("inner") as inner:
                inner.tell({"found": True}, name="renamed")
        with tracing.span("elsewhere", parent=carrier):
            pass
        tracing.stop()
        inner_, outer, elsewhere = collector.spans()
        assert (outer.name, outer.service, outer.told) == ("outer", "elasticket-test", {"size": 3})
        assert f"00-{outer.trace}-{outer.parent}-01" == CALLER
        assert carrier == f"00-{outer.trace}-{outer.id}-01"
        assert (inner_.name, inner_.trace, inner_.parent) == ("renamed", outer.trace, outer.id)
        assert inner_.told == {"found": True}
        assert (elsewhere.trace, elsewhere.parent) == (outer.trace, outer.id)

    def test_an_error_is_told_by_its_type_and_never_by_its_text(self, collector: Collector) -> None:
        with pytest.raises(RuntimeError), tracing.span("fails"):
            raise RuntimeError("postgresql://user:secret@host")
        tracing.stop()
        (span,) = collector.spans()
        assert span.failed
        assert span.told == {"error.type": "RuntimeError"}

    def test_one_that_began_earlier_or_is_over_has_its_own_times(self, collector: Collector) -> None:
        before = time.time() - 60
        with tracing.span("late", begun=before):
            tracing.record("over", before + 1, before + 2, {"n": 1})
        tracing.stop()
        over, late = collector.spans()
        assert late.begun == pytest.approx(before, abs=1e-3)
        assert (over.begun, over.ended) == pytest.approx((before + 1, before + 2), abs=1e-3)
        assert over.parent == late.id

    def test_what_is_no_traceparent_begins_a_trace(self, collector: Collector) -> None:
        with tracing.span("alone", parent="nonsense\r\n"):
            pass
        tracing.stop()
        (span,) = collector.spans()
        assert span.parent == ""


class TestOff:
    def test_nothing_that_could_send_is_imported(self) -> None:
        given = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        subprocess.run([sys.executable, "-c", OFF], env=given, check=True)
