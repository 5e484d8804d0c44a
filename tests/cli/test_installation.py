from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cli.installation import CannotStart, address, chosen, free_port, running
from core.settings import Settings


class TestRunning:
    def test_a_home_has_one_installation_at_a_time(self, tmp_path: Path) -> None:
        import fcntl

        with (tmp_path / "lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            other.write(f"{os.getpid()}\n")
            other.flush()
            with (
                pytest.raises(CannotStart, match=rf"{tmp_path} is in use by process {os.getpid()}"),
                running(Settings(home=tmp_path), print),
            ):
                pass

    def test_a_port_that_is_taken_is_named(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with (
                pytest.raises(
                    CannotStart, match=rf"cannot listen on 127.0.0.1, port {port}: Address already in use"
                ),
                running(Settings(home=tmp_path, port=port), print),
            ):
                pass

    def test_a_home_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with (
            pytest.raises(CannotStart, match="cannot use"),
            running(Settings(home=tmp_path / "file" / "home"), print),
        ):
            pass


class TestFreePort:
    def test_any(self) -> None:
        assert free_port("127.0.0.1", 0) > 0

    def test_a_host_that_is_not_ours(self) -> None:
        with pytest.raises(CannotStart, match=r"cannot listen on 192\.0\.2\.1"):
            free_port("192.0.2.1", 0)


class TestAddress:
    @pytest.mark.parametrize(
        ("host", "shown"),
        [
            ("127.0.0.1", "http://127.0.0.1:80"),
            ("0.0.0.0", "http://127.0.0.1:80"),
            ("::", "http://[::1]:80"),
            ("gpu-1", "http://gpu-1:80"),
        ],
    )
    def test_it_can_be_opened_on_this_machine(self, host: str, shown: str) -> None:
        assert address(Settings(host=host, port=80, auth="keys")) == shown


class TestChosen:
    def test_the_command_line_wins_over_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ELASTICKET_PORT", "1234")
        monkeypatch.setenv("ELASTICKET_SLOTS", "3")
        settings = chosen(port=4321, slots=None)
        assert (settings.port, settings.slots) == (4321, 3)

    def test_what_is_not_valid_is_told_in_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CannotStart, match=r"^the API would listen on 0\.0\.0\.0, .*ELASTICKET_AUTH=keys"):
            chosen(host="0.0.0.0")
        monkeypatch.setenv("ELASTICKET_LEASE_SECONDS", "0")
        with pytest.raises(CannotStart, match=r"^lease_seconds .*greater than 0"):
            chosen()
