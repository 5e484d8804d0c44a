"""A file in another format: checked for what can be told at once, laid down, and queued to be imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from api import limits
from api.idempotency import Once
from api.problems import INVALID_REQUEST, Flaw, Rejected
from api.tickets.upload import TAG, Upload
from core.catalog import jobs
from core.catalog.database import Database
from core.catalog.idempotency import Made
from core.catalog.scratch import Scratch
from core.catalog.tickets import MOST_TAGS
from core.interchange.archives import HEAD_BYTES, guess_container
from core.interchange.checking import check
from core.interchange.imports.registry import FORMATS
from core.interchange.own import is_ticket
from core.jobs.datasets import DATASETS
from core.jobs.specs import ArchitectureName, ImportSpec, Seed
from core.settings import Settings

ATTEMPTS = 2
"""At an import. What the kernel ends at a limit is tried again, as if a worker had died, but not for ever."""

_PICKLE = b"\x80"
_SIDE = "([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])"
"""A number from 1 to 4096, as the spec of the job takes it."""


def _known(names: Any) -> AfterValidator:
    def check(given: str) -> str:
        if given not in names:
            raise PydanticCustomError("unknown", "is not known", {"expected": ", ".join(names)})
        return given

    return AfterValidator(check)


class Said(BaseModel):
    """What a request says of the file that it uploads; all but the tags only of one that must be converted."""

    tag: list[Annotated[str, Field(pattern=TAG)]] = Field(
        [], max_length=MOST_TAGS, description="tags to put on it"
    )
    format: Annotated[str, _known(FORMATS)] | None = Field(
        None, description=f"default: recognised from the file; {', '.join(FORMATS)}", examples=["torch_prune"]
    )
    architecture: ArchitectureName | None = Field(
        None, description="default: recognised from names and shapes", examples=["cifar_resnet_20"]
    )
    input: str | None = Field(
        None,
        pattern=f"^{_SIDE},{_SIDE},{_SIDE}$",
        description="C,H,W of its images, where shapes cannot tell",
        examples=["3,32,32"],
    )
    rewind_step: int | None = Field(
        None, ge=0, lt=2**53, description="the step of its weights, where it cannot tell"
    )
    steps_per_epoch: int | None = Field(
        None, ge=1, lt=2**31, description="of the training that it comes from"
    )
    dataset: Annotated[str, _known(DATASETS)] | None = Field(None, description="the dataset it was found on")
    seed: Seed | None = Field(None, description="the seed it was found with")
    level: int | None = Field(None, ge=0, le=1000, description="its nominal IMP level")

    @property
    def options(self) -> dict[str, Any]:
        """What was said of a conversion."""
        return self.model_dump(exclude={"tag"}, exclude_none=True)

    @property
    def conversion(self) -> dict[str, Any]:
        """The same, as the spec of a job has it."""
        options = self.options
        if self.input is not None:
            options["input"] = [int(side) for side in self.input.split(",")]
        return options


def is_foreign(path: Path, said: Said) -> bool:
    """Whether a file is to be converted; one that is of no known container is read as a ticket, and refused as one."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    container = guess_container(head)
    if container == "safetensors":
        return not is_ticket(path)
    # PyTorch's old files are bare pickles: whoever sends one is told how to save it again.
    return container is not None or bool(said.options) or head.startswith(_PICKLE)


def refuse_options(said: Said) -> None:
    """A ticket file says everything itself; raises `Rejected`."""
    if said.options:
        flaws = [
            Flaw(
                location="query", where=name, what="the file is a ticket and says this itself", accepted="tag"
            )
            for name in said.options
        ]
        names = ", ".join(said.options)
        raise Rejected(
            INVALID_REQUEST, f"{names}: not accepted with a ticket file, which says this itself", *flaws
        )


def enter_import(
    database: Database, settings: Settings, once: Once, upload: Upload, said: Said, tags: list[str]
) -> tuple[Made, bool]:
    """Queue the import of a received file; raises `Unreadable`.

    The file is durable in the job's scratch folder before any row speaks of it, and nowhere else.
    """
    path = upload.staged.path
    settings.scratch_directory.mkdir(parents=True, exist_ok=True)
    check(path, settings.scratch_directory, settings.import_memory_bytes)
    spec = import_spec(upload.staged.digest, upload.size, said, tags)
    content = json.dumps([upload.staged.digest, sorted(tags), said.conversion], sort_keys=True).encode()
    with database.read() as session:
        earlier = once.earlier(session, content)
    if earlier is not None:
        return earlier, True
    job_id = jobs.new_id()
    scratch = Scratch(settings)

    def create(session: Session) -> Made:
        made = jobs.create(session, spec, ATTEMPTS, job_id=job_id)
        limits.check(session)
        limits.grew(session, upload.size)
        return Made(202, made.id)

    made = None
    try:
        scratch.lay_down(path, job_id)
        made = once.make(database, "import", content, create)
    finally:
        if made is None or made[0].resource != job_id:
            scratch.remove(job_id)
    return made


def import_spec(sha256: str, size: int, said: Said, tags: list[str]) -> ImportSpec:
    """The spec of the job that imports a received file."""
    return ImportSpec(sha256=sha256, size=size, tags=tags, **said.conversion)
