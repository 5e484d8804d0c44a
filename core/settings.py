"""Everything an operator may set, read from `ELASTICKET_*` environment variables."""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

S3 = "s3://"


class Settings(BaseSettings):
    """One installation's settings; the defaults run everything on one machine from one directory."""

    # An error must not show its input: database and broker URLs hold passwords.
    model_config = SettingsConfigDict(
        env_prefix="ELASTICKET_", env_ignore_empty=True, hide_input_in_errors=True
    )

    home: Path = Field(
        default=Path("~/.elasticket"), description="directory of everything this installation keeps"
    )
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in home")
    broker_url: str = Field(
        default="redis://127.0.0.1:6379/0", description="Valkey or Redis that carries job hints"
    )
    artifacts: Path | str | None = Field(
        default=None, description="artifact store: a directory or s3://BUCKET/PREFIX; unset: home/artifacts"
    )
    cache_bytes: PositiveInt = Field(
        default=10 * 2**30,
        description="with artifacts in a bucket: room for copies of what this machine uses, in home/cache",
    )
    presigned_seconds: int = Field(
        default=900,
        ge=0,
        le=604800,
        description="how long an address of a file in the bucket is good; 0: files go through the API",
    )
    presigned_endpoint: str = Field(
        default="",
        pattern="^(https?://.+)?$",
        description="the bucket's server as clients reach it; empty: as AWS_ENDPOINT_URL has it",
    )
    collect_after_seconds: float | None = Field(
        default=None,
        ge=3600,
        description="artifacts that nothing names are removed after this long; unset: by nobody but an operator",
    )
    datasets: Path | None = Field(default=None, description="datasets; unset: home/datasets")

    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8000, ge=0, le=65535)
    api_processes: PositiveInt = Field(
        default=1, description="processes that answer requests; limits of one API are those of each"
    )
    hosts: str = Field(
        default="", description="names that it is reached by, beside localhost and its address; a,b,c"
    )
    auth: Literal["none", "keys"] = Field(
        default="none",
        description="none: whoever reaches the API may do everything; keys: nobody without an API key",
    )
    allow_anyone: bool = Field(
        default=False, description="listen elsewhere than on this machine's loopback although auth is none"
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="what a Prometheus sends to read /metrics; opens nothing else",
    )
    log: Literal["text", "json"] = Field(
        default="text", description="text: lines for people; json: an object a line, for machines"
    )
    max_upload_bytes: PositiveInt = Field(default=4 * 2**30, description="largest accepted ticket file")
    uploads: PositiveInt = Field(default=16, description="uploads that one API receives at a time")
    quota_bytes: PositiveInt | None = Field(
        default=None, description="past this size of the artifact store nothing is received; unset: no quota"
    )
    writes_per_minute: int = Field(
        default=600, ge=0, description="requests of one client that change something; 0: no limit"
    )
    reads_per_minute: int = Field(
        default=6000, ge=0, description="requests of one client that only read; 0: no limit"
    )

    slots: PositiveInt = Field(default=os.cpu_count() or 1, description="jobs one worker runs at a time")
    gpus: int | None = Field(
        default=None, ge=0, description="GPUs that a worker offers; unset: those that nvidia-smi tells of"
    )
    gpu_memory_mib: PositiveInt | None = Field(
        default=None, description="memory of each, in MiB; unset: what nvidia-smi says, and the least of them"
    )
    memory_mib: PositiveInt | None = Field(
        default=None, description="memory for what a worker computes on its CPU; unset: the machine's"
    )
    takes: str = Field(
        default="any,cpu,gpu",
        pattern="^(any|cpu|gpu)(,(any|cpu|gpu))*$",
        description="the jobs that a worker takes, by the device they ask for; any: those that ask for none",
    )
    threads: PositiveInt | None = Field(default=None, description="threads per trainer; unset: cores / slots")
    trainer_memory_bytes: PositiveInt | None = Field(
        default=None, description="address space of one trainer, of each of its ranks (CPU only)"
    )
    nodes: PositiveInt = Field(
        default=1, description="machines that a job on several devices is spread over, this one included"
    )
    rendezvous: str = Field(
        default="", description="HOST:PORT of the first of several machines, where their ranks meet"
    )

    @model_validator(mode="after")
    def _strangers_need_keys(self) -> Self:
        if self.auth == "none" and not self.allow_anyone and not _is_loopback(self.host):
            raise ValueError(
                f"the API would listen on {self.host or 'every address'}, where anyone who reaches it could do"
                " everything: set ELASTICKET_AUTH=keys (and make a key with `elasticket admin key`), or"
                " ELASTICKET_ALLOW_ANYONE=true where whoever reaches it may"
            )
        return self

    @model_validator(mode="after")
    def _buckets_have_names(self) -> Self:
        if self.bucket and not self.bucket.removeprefix(S3).partition("/")[0]:
            raise ValueError(
                "artifacts in a bucket are named s3://BUCKET/PREFIX: the bucket's name is missing"
            )
        return self

    @model_validator(mode="after")
    def _several_nodes_meet_somewhere(self) -> Self:
        if self.nodes > 1 and not self.rendezvous.rpartition(":")[2].isdigit():
            raise ValueError(f"{self.nodes} nodes need a rendezvous, HOST:PORT, not {self.rendezvous!r}")
        if self.nodes > 1 and self.slots > 1:
            raise ValueError(
                f"ranks on {self.nodes} nodes meet in one place: slots must be 1, not {self.slots}"
            )
        return self

    import_memory_bytes: PositiveInt = Field(
        default=8 * 2**30,
        description="memory for the import of a foreign file, and the size of what it makes",
    )
    import_cpu_seconds: PositiveInt = Field(default=600, description="processor time that it may take")

    lease_seconds: PositiveFloat = Field(
        default=30.0, description="a worker silent for this long has lost its job"
    )
    heartbeat_seconds: PositiveFloat = Field(
        default=0.5, description="how often a running job reports and is checked"
    )
    cancel_grace_seconds: PositiveFloat = Field(default=2.0, description="from SIGTERM to SIGKILL")
    save_grace_seconds: PositiveFloat = Field(
        default=5.0, description="for a job to save its state when it is to leave its worker, until SIGKILL"
    )
    patience_seconds: float = Field(
        default=60.0,
        ge=0,
        description="time that an attempt keeps its place before it may be asked to give way; doubles with each time",
    )
    checkpoint_seconds: float = Field(default=15.0, ge=0, description="training time between checkpoints")
    max_attempts: PositiveInt = Field(
        default=5, description="attempts without a saved training state before a job has failed"
    )
    relay_seconds: PositiveFloat = Field(default=0.1, description="how often the outbox is published")
    reconcile_seconds: PositiveFloat = Field(
        default=2.0, description="how often leases and lost hints are checked"
    )

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.root / 'elasticket.db'}"

    @property
    def root(self) -> Path:
        """`home`, expanded and absolute."""
        return self.home.expanduser().absolute()

    @property
    def bucket(self) -> str | None:
        """`s3://BUCKET/PREFIX` where artifacts lie in one."""
        return str(self.artifacts) if str(self.artifacts).startswith(S3) else None

    @property
    def artifact_directory(self) -> Path:
        """Where artifacts lie; or, of those in a bucket, copies of what this machine uses."""
        if self.bucket:
            return self.root / "cache"
        return Path(self.artifacts or self.root / "artifacts").expanduser().absolute()

    @property
    def artifact_location(self) -> str:
        """Where artifacts lie, whichever it is: what `ELASTICKET_ARTIFACTS` would say."""
        return self.bucket or str(self.artifact_directory)

    @property
    def scratch_directory(self) -> Path:
        """Where files of unfinished jobs lie on this machine, one folder a job."""
        return self.artifact_directory / "scratch"

    @property
    def dataset_directory(self) -> Path:
        """Where datasets are looked for and downloaded to."""
        return (self.datasets or self.root / "datasets").expanduser().absolute()

    @property
    def served(self) -> frozenset[Literal["any", "cpu", "gpu"]]:
        """The devices in `takes`."""
        return frozenset(self.takes.split(","))  # type: ignore[arg-type]

    @property
    def trainer_threads(self) -> int:
        """A trainer's share of the cores: two trainers with all cores each would run many times slower than one."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.slots)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
