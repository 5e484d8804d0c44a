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

SPREAD = 8.0
HALF = b"GET /tickets HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@dataclass
class Attack:
    """Connections that are kept open, and how often one had to be opened again."""

    port: int
    opened: int = 0

    async def hold(self, number: int, after: float) -> None:
        """Keep one connection open for as long as the server lets it."""
        await asyncio.sleep(after)
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.opened += 1
                try:
                    if number % 2:
                        writer.write(HALF)
                    await reader.read(1)
                finally:
                    writer.close()
            await asyncio.sleep(0.1)


async def attack(port: int, sockets: int) -> None:
    """Open them one after another within `SPREAD` seconds, say so, and hold them until standard input ends."""
    going = Attack(port)
    holding = [asyncio.create_task(going.hold(n, SPREAD * n / sockets)) for n in range(sockets)]
    while going.opened < sockets:
        await asyncio.sleep(0.05)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(going.opened)
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)


async def healthy(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Milliseconds that each of fifty requests a second took, or of as many as it answers."""
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


def connected(port: int) -> httpx.AsyncClient:
    """A client as others are."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)


async def measure(port: int, sockets: int, seconds: float) -> None:
    """Before, and during the attack."""
    async with connected(port) as client:
        await healthy(client, 1.0)
        print(told("before", await healthy(client, seconds)), flush=True)
    # In a process of its own: what the attacker computes is not to delay the one who measures.
    words = [sys.executable, "-m", "bench.load.slowloris", "--attack", str(port), "--sockets", str(sockets)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()
        async with connected(port) as client:
            print(told(f"{sockets} sockets held", await healthy(client, seconds)))
        print(f"connections opened in all: {attacker.communicate()[0].strip()}")


def main() -> None:
    """Start the API, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--http", default="api.gate.connections:Patient")
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack is not None:
        asyncio.run(attack(given.attack, given.sockets))
        return
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
