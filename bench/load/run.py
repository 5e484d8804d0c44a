"""Run the load tests, or those that are named: python -m bench.load.run [--home DIR] [PART ...]

`--home` keeps the catalog of a million tickets and jobs, which takes minutes to fill, for the next time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.load import fill, presigned, queue, reads, uploads, watchers
from bench.load.service import running
from core.catalog.database import Database
from core.catalog.migrate import upgrade
from core.settings import Settings

ROWS = 1_000_000
LISTS = (
    "/tickets",
    "/tickets?limit=20",
    "/tickets?family=mlp&dataset=digits",
    "/tickets?architecture=cifar_resnet_20&sparsity_min=0.9",
    "/tickets?tag=tag-7",
)
RATE, SECONDS = 200.0, 30.0
WATCHERS = 1_000
GIGABYTES = 10
QUEUED = 10_000


def lists(home: Path) -> dict[str, Any]:
    """Lists of a million tickets at a steady rate."""
    with running(_filled(home), API_PROCESSES="2") as service:
        return {path: reads.measure(service.url, [path], RATE, SECONDS / len(LISTS)) for path in LISTS} | {
            "all": reads.measure(service.url, LISTS, RATE, SECONDS)
        }


def watching(home: Path) -> dict[str, Any]:
    """A thousand watchers of one job."""
    with running(home / "watched") as service:
        return watchers.measure(service.url, WATCHERS)


def uploading(home: Path) -> dict[str, Any]:
    """Large tickets streamed up."""
    file = home / "large.ticket.safetensors"
    size = fill.large_ticket(file)
    with running(home / "uploads") as service:
        return uploads.measure(service, file, -(-GIGABYTES * 10**9 // size))


def passing_by(home: Path) -> dict[str, Any]:
    """A large ticket up and down, past the API and through it."""
    file = home / "quarter.ticket.safetensors"
    if not file.exists():
        fill.large_ticket(file, side=260)
    return presigned.measure(home, file)


def queueing(home: Path) -> dict[str, Any]:
    """A long queue."""
    with running(home / "queued") as service:
        found = queue.submit(service.url, QUEUED)
        time.sleep(20)
    return found | queue.order(Database(Settings(home=home / "queued").database))


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "lists": lists,
    "watchers": watching,
    "uploads": uploading,
    "presigned": passing_by,
    "queue": queueing,
}


def _filled(home: Path) -> Path:
    settings = Settings(home=home / "filled")
    if not settings.root.exists():
        settings.root.mkdir(parents=True)
        upgrade(settings.database)
        database = Database(settings.database)
        fill.jobs(database, ROWS)  # whose tickets have hundreds of origins, and so are not the newest ones
        fill.tickets(database, ROWS)
        database.close()
    return settings.root


def main() -> None:
    """Measure, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--home", type=Path)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    if asked.home is not None:
        asked.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        for name in asked.parts or PARTS:
            print(json.dumps({name: PARTS[name](asked.home or Path(made))}, indent=1), flush=True)


if __name__ == "__main__":
    main()
