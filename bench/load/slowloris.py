"""A thousand connections that ask for nothing, or never finish asking: what they cost everybody else.

    python -m bench.load.slowloris [--sockets 1000] [--seconds 15]

Starts the API by itself, with an empty catalog, and prints the times of `GET /tickets` before and while the sockets
are open: half of them silent, half in the middle of their headers, each opened again as soon as it is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from core.catalog.migrate import upgrade
from core.settings import Settings

HALF = b"GET /tickets HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@dataclass
class Attack:
    """Connections that are kept open, and how often one had to be opened again."""

    port: int
    opened: int = 0
    open: int = 0

    async def hold(self, number: int) -> None:
        """Keep one connection open for as long as the server lets it."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.opened += 1
                self.open += 1
                try:
                    if number % 2:
                        writer.write(HALF)
                    await reader.read(1)
                finally:
                    self.open -= 1
                    writer.close()
            await asyncio.sleep(0.1)


async def healthy(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Milliseconds that each of ten requests a second took."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        (await client.get("/tickets")).raise_for_status()
        took.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(max(0.0, 0.02 - took[-1] / 1000))
    return took


def told(when: str, took: list[float]) -> str:
    """The middle and the end of what was measured."""
    ranked = sorted(took)
    half, most = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]
    return f"{when:<24} {len(ranked):>5} requests   median {half:6.1f} ms   p99 {most:6.1f} ms"


async def measure(port: int, sockets: int, seconds: float) -> None:
    """Before, and during the attack."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        await healthy(client, 1.0)
        print(told("before", await healthy(client, seconds)), flush=True)
        attack = Attack(port)
        holding = [asyncio.create_task(attack.hold(number)) for number in range(sockets)]
        while attack.opened < sockets:
            await asyncio.sleep(0.05)
        print(told(f"{attack.open} sockets held", await healthy(client, seconds)))
        print(f"opened {attack.opened} in all; {attack.open} are open")
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


def main() -> None:
    """Start the API, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--http", default="api.gate.connections:Patient")
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory() as home:
        upgrade(Settings(home=Path(home)).database)
        words = ["uvicorn", "--factory", "api.app:from_environment", "--port", str(port), "--no-access-log"]
        words += ["--http", given.http, "--log-level", "warning"]
        with subprocess.Popen(
            [sys.executable, "-m", *words], env=os.environ | {"ELASTICKET_HOME": home}
        ) as process:
            try:
                while True:
                    with suppress(httpx.TransportError):
                        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
                        break
                    time.sleep(0.1)
                asyncio.run(measure(port, given.sockets, given.seconds))
            finally:
                process.terminate()


if __name__ == "__main__":
    main()
