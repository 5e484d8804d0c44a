"""A place in the queue, asked for by every command that asks for jobs."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.answering import Documented

JOB, TICKET = "4b1d" * 8, "9f2c" * 16
COMMANDS = {
    "POST /find": "find mlp_2 digits",
    "POST /transform": f"transform {TICKET} mlp_3",
    "POST /train": f"train {TICKET} digits",
    "POST /evaluate": f"evaluate {TICKET} digits",
    "POST /connect": f"connect {JOB} {JOB}:1",
    "POST /jobs/{job}/retry": f"retry {JOB}",
    "POST /studies": "study elth_fc --scale small",
}


def asked(server: Any, line: str) -> list[tuple[str, str]]:
    """What a command sends to be done: path and query, and body."""
    result = CliRunner().invoke(app, [*line.split(), "--server", server.url])
    assert result.exit_code == 0, result.output
    return [(path, body.decode()) for method, path, _, body in server.seen if method == "POST"]


class TestPriority:
    def test_every_route_that_takes_one_has_a_command_here(self, documented: Documented) -> None:
        assert {name for name in documented.operations if "priority" in documented.query(name)} == set(
            COMMANDS
        )

    @pytest.mark.parametrize("line", [*COMMANDS.values(), "rivals digits"])
    @pytest.mark.parametrize("priority", ["7", "-100", "0"])
    def test_it_goes_beside_what_is_asked_for(
        self, documented: Documented, server: Any, line: str, priority: str
    ) -> None:
        ended = {"finished_at": "2026-01-01T12:01:00Z", "counts": {"succeeded": 1}, "jobs": []}
        documented.changes = {"GET /studies/{study}": ended}
        (sent,) = asked(server, f"{line} --priority {priority}")
        assert sent[0].endswith(f"?priority={priority}")
        assert "priority" not in sent[1]

    @pytest.mark.parametrize("line", COMMANDS.values())
    def test_nothing_is_said_of_it_unless_asked(self, documented: Documented, server: Any, line: str) -> None:
        (sent,) = asked(server, line)
        assert "priority" not in "".join(sent)

    @pytest.mark.parametrize("line", COMMANDS.values())
    def test_out_of_bounds_is_not_sent(self, server: Any, line: str) -> None:
        result = CliRunner().invoke(app, [*line.split(), "--priority", "101", "--server", server.url])
        assert result.exit_code == 2
        assert "--priority" in result.output
        assert server.seen == []
