"""Every page of the product, over an installation that has done, does and awaits real work."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from tests.e2e.installation import Installation

RECIPE = {"length": "3ep", "lr": 0.02, "momentum": 0.9}
SLOW = RECIPE | {"length": "12ep"}
LONG = RECIPE | {"length": "20000ep"}
STUDY: dict[str, Any] = {
    "sources": ["mlp_2"],
    "targets": ["mlp_3"],
    "datasets": ["digits"],
    "levels": [2],
    "arms": [
        {"name": "ETT", "method": "ett"},
        {"name": "IMP", "method": "imp"},
        {"name": "random", "method": "random"},
        {"name": "dense", "method": "dense"},
    ],
    "seeds": [0, 1],
    "recipe": RECIPE,
}


@dataclass(frozen=True)
class View:
    """One page to look at: where it is, what is there once it is whole, a file given to its form, its own status."""

    name: str
    path: str
    ready: str = "main"
    file: Path | None = None
    status: int = 200

    def open(self, page: Page) -> None:
        """Go there, and wait until what scripts add is there too."""
        page.goto(self.path)
        if self.file is not None:
            page.set_input_files("#file", self.file)
        page.locator(self.ready).first.wait_for()
        page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")


def fill(installation: Installation, folder: Path) -> list[View]:
    """Do the work that the pages tell of, a minute at most; the pages. Some jobs go on until it is stopped."""
    submit, done = installation.submit, installation.succeeded
    job = {"find": submit("find", _find("mlp_2", 3) | {"seeds": [0, 1]})}
    tickets = done(job["find"])["outputs"]["tickets"]
    study = installation.http.post("/studies", json=STUDY).json()["id"]
    job["transform"] = submit("transform", {"tickets": tickets, "architecture": "mlp_4", "order": "append"})
    stretched = done(job["transform"])["outputs"]["tickets"]
    of_first = {"tickets": stretched[:1], "dataset": "digits"}
    job["train"] = submit("train", of_first | {"recipe": RECIPE | {"length": "9ep"}, "order_seeds": [0, 1]})
    job["evaluate"] = submit("evaluate", of_first | {"latency": True})
    job["failed"] = submit("train", of_first | {"recipe": RECIPE | {"lr": 100}})
    foreign, broken = folder / "mlp_4.prune.pth", folder / "broken.pth"
    foreign.write_bytes(_converted(installation, stretched[0], "torch_prune"))
    broken.write_bytes(foreign.read_bytes()[:5000])
    job["import"] = _imported(installation, foreign)
    done(job["train"])
    job["connect"] = submit("connect", {"trainings": [{"job": job["train"], "run": run} for run in (0, 1)]})
    for kind in ("evaluate", "import", "connect"):
        done(job[kind])
    (job["export"],) = (one["id"] for one in installation.http.get("/jobs?kind=export").json()["items"])
    installation.wait_until(lambda: _study(installation, study)["finished_at"], 90)
    job["running"] = submit("find", _find("mlp_3", 50, fraction=0.1) | {"seeds": [0, 1], "recipe": SLOW})
    job["training"] = submit("train", {"architecture": "mlp_4", "dataset": "digits", "recipe": LONG})
    job["cancelled"] = submit("find", _find("mlp_4", 8))
    installation.http.post(f"/jobs/{job['cancelled']}/cancel").raise_for_status()
    job["queued"] = submit("find", _find("mlp_5", 10))
    submit("train", of_first | {"recipe": LONG})
    installation.wait_until(lambda: _level(installation, job["running"]) > 2, 90)
    _hold(installation)
    return _views(job, tickets, stretched, study, foreign, broken)


def _views(
    job: dict[str, str], tickets: list[str], stretched: list[str], study: str, foreign: Path, broken: Path
) -> list[View]:
    curves = {"running", "training", "find", "train"}
    return [
        View("job-running", f"/ui/jobs/{job['running']}", "#levels tbody tr:nth-child(2)"),
        View("jobs", "/", "#ended .job"),
        View("jobs-filtered", "/?state=failed&q=mlp_4"),
        View("jobs-none", "/?q=nothing"),
        *(
            View(f"job-{name}", f"/ui/jobs/{one}", "#accuracy polyline" if name in curves else "main")
            for name, one in job.items()
            if name != "running"
        ),
        View("tickets", "/ui/tickets"),
        View("tickets-none", "/ui/tickets?dataset=mnist"),
        View("ticket", f"/ui/tickets/{tickets[0]}"),
        View("ticket-stretched", f"/ui/tickets/{stretched[0]}"),
        View("ticket-mask", f"/ui/tickets/{stretched[0]}?layer=fc_layers.1.weight&zoom=6"),
        View("ticket-comparison", f"/ui/compare-tickets?a={tickets[0]}&b={stretched[0]}"),
        View("stretch", f"/ui/tickets/{tickets[0]}/stretch"),
        View(
            "stretch-edited",
            f"/ui/tickets/{tickets[0]}/stretch?architecture=mlp_5&unit_map=0:0;1:1,2,3,4;2:5",
        ),
        View("stretch-refused", f"/ui/tickets/{tickets[0]}/stretch?architecture=mlp_4&unit_map=0:0;1:1,9"),
        View("upload", "/ui/upload"),
        View("upload-recognised", "/ui/upload", "#found-title", foreign),
        View("upload-refused", "/ui/upload", "#found .callout", broken, 422),
        View("studies", "/ui/studies"),
        View("study", f"/ui/studies/{study}", "#figures .curve"),
        View("compare", f"/ui/compare?job={job['train']}&job={job['find']}", "#figure-accuracy .curve"),
        View("compare-none", "/ui/compare"),
        View("plan", "/ui/plan"),
        View("plan-answered", "/ui/plan?targets=mlp_2+mlp_3+mlp_4&dataset=digits&level=10"),
        View("fleet", "/ui/fleet"),
        View("api", "/docs", ".opblock"),
        View("not-found", f"/ui/jobs/{'0' * 32}", status=404),
    ]


def _find(architecture: str, level: int, **parameters: float) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "dataset": "digits",
        "parameters": {"level": level} | parameters,
        "recipe": RECIPE,
    }


def _converted(installation: Installation, ticket: str, form: str) -> bytes:
    answer = installation.http.get(f"/tickets/{ticket}/file?format={form}", headers={"Prefer": "wait=60"})
    assert answer.status_code == 200, answer.text
    return answer.content


def _imported(installation: Installation, file: Path) -> str:
    answer = installation.http.post(
        "/tickets?dataset=digits&input=1,8,8&level=3&seed=0&tag=theirs", content=file.read_bytes()
    )
    return str(answer.json()["id"])


def _study(installation: Installation, study: str) -> dict[str, Any]:
    found: dict[str, Any] = installation.http.get(f"/studies/{study}").json()
    return found


def _hold(installation: Installation) -> None:
    """Stop the clocks of those who train: what runs goes on running, and leaves the processor to the browser."""
    for process in installation.processes():
        with suppress(psutil.NoSuchProcess):
            parent = process.parent()
            if parent is not None and "workers.zygote" in parent.cmdline():
                process.suspend()


def _level(installation: Installation, job: str) -> int:
    """The level that a running find is at; -1 before it has begun."""
    progress = installation.job(job)["progress"] or {"doing": ""}
    return int((re.findall(r"level (\d+)", progress["doing"]) or [-1])[0])
