"""The lower half of E-LTH's Table 5 in small, over HTTP: MLP tickets stretched, beside their rivals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cli.client import TERMINAL, Client, Json

DATASET = "digits"
SOURCE = "mlp_2"
TARGETS = ("mlp_3", "mlp_4")
SEEDS = (0, 1, 2)
LEVEL = 10
# On digits an epoch is 12 steps, on MNIST 469: with the preset's plain SGD no network would be trained to its end.
RECIPE: Json = {"preset": "mlp", "length": "20ep", "momentum": 0.9}
POLL_SECONDS = 0.4


@dataclass(frozen=True)
class Arm:
    """A row of a target's table: how the trained networks came about. `shared` trainings serve every target."""

    name: str
    trainings: int
    shared: int = 0


ETT = Arm("ETT", 1, shared=LEVEL)
IMP = Arm("IMP", LEVEL + 1)
RANDOM = Arm("random", 1)
DENSE = Arm("dense", 1)
ARMS = (ETT, IMP, RANDOM, DENSE)


@dataclass(frozen=True)
class Trial:
    """One seed of one arm: test accuracy after the last step, actual sparsity, seconds of its own trainings."""

    target: str
    arm: Arm
    seed: int
    accuracy: float
    sparsity: float
    seconds: float
    shared_seconds: float = 0.0


class JobFailed(RuntimeError):
    """A job of the experiment ended otherwise than well."""

    def __init__(self, job: Json) -> None:
        reason = job["error"]["message"] if job["error"] else f"it is {job['state']}"
        super().__init__(f"job {job['id']} ({job['kind']}) did not succeed: {reason}")


@dataclass(frozen=True)
class Share:
    """How much of a bar a job is: the bar's name, and the trainings that the job does of it."""

    bar: str
    trainings: int


def bars() -> dict[str, int]:
    """The experiment's parts, with the trainings of each."""
    ours = {f"{SOURCE} {IMP.name}, to be stretched": LEVEL * len(SEEDS)}
    return ours | {bar(target, arm): arm.trainings * len(SEEDS) for target in TARGETS for arm in ARMS}


def bar(target: str, arm: Arm) -> str:
    """The name of one arm's part."""
    return f"{target} {arm.name}"


Progress = Callable[[dict[str, float]], None]
"""Is told the trainings done of every part."""


def play(client: Client, progress: Progress) -> list[Trial]:
    """Run the experiment; raises JobFailed, or ApiError where the server failed."""
    try:
        return asyncio.run(Experiment(client, progress).run())
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


class Experiment:
    """Plays the table through a client, submitting each job as soon as what it needs exists."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self._order = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._shares: dict[str, Share] = {}
        self._had = dict.fromkeys(bars(), 0.0)
        self._trials: list[Trial] = []

    async def run(self) -> list[Trial]:
        """Every trial."""
        async with asyncio.TaskGroup() as watching:
            poller = watching.create_task(self._poll())
            # The longest jobs are queued first, so that no slot is idle at the end.
            async with asyncio.TaskGroup() as work:
                for seed in SEEDS:
                    work.create_task(self._stretch(seed))
                for target in reversed(TARGETS):
                    for seed in SEEDS:
                        work.create_task(self._imp(target, seed))
                for target in TARGETS:
                    for seed in SEEDS:
                        work.create_task(
                            self._train(target, DENSE, seed, {"architecture": target, "seeds": [seed]})
                        )
            poller.cancel()
        return self._trials

    async def _stretch(self, seed: int) -> None:
        """Find the source's ticket once, and carry it to every target."""
        share = Share(next(iter(bars())), LEVEL)
        found = await self._find("imp", {"level": LEVEL}, SOURCE, seed, share)
        (ticket,) = found["outputs"]["tickets"]
        async with asyncio.TaskGroup() as work:
            for target in TARGETS:
                work.create_task(self._ett(ticket, target, seed, _seconds(found)))

    async def _ett(self, ticket: str, target: str, seed: int, shared_seconds: float) -> None:
        body = {"tickets": [ticket], "architecture": target}
        transformed = await self._done("transform", body, Share(bar(target, ETT), 0))
        (stretched,) = transformed["outputs"]["tickets"]
        survivors = (await asyncio.to_thread(self._client.ticket, stretched))["survivors"]
        async with asyncio.TaskGroup() as work:
            work.create_task(self._train_ticket(stretched, target, ETT, seed, shared_seconds=shared_seconds))
            work.create_task(self._random(target, survivors, seed))

    async def _random(self, target: str, survivors: int, seed: int) -> None:
        """A random mask with exactly as many survivors as the stretched ticket of this seed."""
        share = Share(bar(target, RANDOM), 0)
        found = await self._find("random", {"survivors": survivors}, target, seed, share)
        (ticket,) = found["outputs"]["tickets"]
        await self._train_ticket(ticket, target, RANDOM, seed)

    async def _imp(self, target: str, seed: int) -> None:
        """IMP's own ticket on the target."""
        found = await self._find("imp", {"level": LEVEL}, target, seed, Share(bar(target, IMP), LEVEL))
        (ticket,) = found["outputs"]["tickets"]
        await self._train_ticket(ticket, target, IMP, seed, seconds=_seconds(found))

    async def _find(self, method: str, parameters: Json, architecture: str, seed: int, share: Share) -> Json:
        body = {
            "architecture": architecture,
            "dataset": DATASET,
            "method": method,
            "parameters": parameters,
            "seeds": [seed],
            "recipe": RECIPE,
        }
        return await self._done("find", body, share)

    async def _train_ticket(self, ticket: str, target: str, arm: Arm, seed: int, **seconds: float) -> None:
        await self._train(target, arm, seed, {"tickets": [ticket], "seeds": [seed]}, **seconds)

    async def _train(
        self, target: str, arm: Arm, seed: int, what: Json, seconds: float = 0.0, shared_seconds: float = 0.0
    ) -> None:
        """Train once, and enter the trial; `seconds` were spent on finding the ticket."""
        job = await self._done(
            "train", what | {"dataset": DATASET, "recipe": RECIPE}, Share(bar(target, arm), 1)
        )
        (run,) = job["outputs"]["runs"]
        (last,) = [result for result in job["outputs"]["results"] if result["point"] == "last"]
        self._trials.append(
            Trial(
                target, arm, seed, last["accuracy"], run["sparsity"], seconds + _seconds(job), shared_seconds
            )
        )

    async def _done(self, kind: str, body: Json, share: Share) -> Json:
        """Submit a job and wait for it."""
        async with self._order:
            job: Json = await asyncio.to_thread(self._client.submit, kind, body)
            if job["state"] == "succeeded":
                # An earlier one, which may be far down the list of jobs by now.
                self._had[share.bar] += share.trainings
                return job
            ended = self._waiting[job["id"]] = asyncio.get_running_loop().create_future()
            self._shares[job["id"]] = share
        await ended
        job = await asyncio.to_thread(self._client.job, job["id"])
        if job["state"] != "succeeded":
            raise JobFailed(job)
        return job

    async def _poll(self) -> None:
        """Look at all jobs with one request, again and again."""
        while True:
            # Somebody may be using the page meanwhile.
            jobs = await asyncio.to_thread(self._client.jobs, len(self._shares) + 50)
            done = dict(self._had)
            for job in jobs:
                share = self._shares.get(job["id"])
                if share is None:
                    continue
                fraction = job["progress"]["fraction"] if job["progress"] else 0.0
                done[share.bar] += share.trainings * (1.0 if job["state"] == "succeeded" else fraction)
                if job["state"] in TERMINAL and not self._waiting[job["id"]].done():
                    self._waiting[job["id"]].set_result(None)
            self._progress(done)
            await asyncio.sleep(POLL_SECONDS)


def _seconds(job: Json) -> float:
    return sum(float(run["seconds"]) for run in job["outputs"]["runs"])
