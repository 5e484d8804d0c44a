"""How fast a ticket's network is on the machine that timed it, as the API shows it."""

from __future__ import annotations

from pydantic import BaseModel, Field


class LatencyMachine(BaseModel):
    """What the times are of: nothing is claimed for another machine."""

    device: str
    capability: str = Field(description="the vector instructions that torch uses on the processor")
    threads: int
    torch: str


class FormLatency(BaseModel):
    """The whole network in one form."""

    form: str = Field(
        description="dense: pruned weights are multiplied as zeros; sparse: those layers that it pays for on their "
        "surviving weights alone; compacted: the smaller dense network without the channels that make no difference"
    )
    ms: float | None = Field(
        description="median milliseconds of a batch; null where there is no such form: no layer's sparse form "
        "pays, or no channel can be left out"
    )
    faster: bool = Field(description="faster than dense in four fifths of the rounds or more")


class LayerLatency(BaseModel):
    """One prunable layer alone."""

    name: str
    density: float = Field(description="survivors / size")
    dense_ms: float = Field(description="median milliseconds")
    sparse_ms: float | None = Field(
        description="of its surviving weights alone, as compressed sparse rows (CSR); null for what has no such form "
        "here: kernels larger than 1×1 and depthwise convolutions"
    )
    pays: bool = Field(description="sparse is faster than dense in four fifths of the rounds or more")
    break_even: float | None = Field(
        description="the largest of the densities 0.01, 0.02, 0.05, 0.1, 0.2 and 0.5 at which, as at all smaller ones, "
        "a random mask's sparse form is faster; null: at none"
    )


class BatchLatency(BaseModel):
    """What was timed at one batch size, its forms in turns."""

    batch: int
    layout: str = Field(
        description="of images in memory, channels first or channels last: that in which the dense network is faster"
    )
    forms: list[FormLatency]
    layers: list[LayerLatency]


class Latency(BaseModel):
    """A ticket's network, timed in evaluation mode and float32 on random images."""

    machine: LatencyMachine
    batches: list[BatchLatency]
