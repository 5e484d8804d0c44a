"""Several processes, one to a device, that train one network together: each on its share of every batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

import torch
import torch.distributed
from torch import Tensor

Statistics = Literal["global", "local"]
T = TypeVar("T")


class RankLost(RuntimeError):
    """Another rank has ended: no rank can go on without it."""


@dataclass(frozen=True)
class Ranks:
    """This process as one of `size`.

    `batch_norm`: whether training normalises by the statistics of the whole batch, as on one device, or by those of a
    rank's share, which saves two small exchanges per layer.
    """

    rank: int = 0
    size: int = 1
    batch_norm: Statistics = "global"

    def share(self, count: int) -> slice:
        """This rank's rows of `count`: shares are as even as can be, and empty where there are more ranks than rows."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all ranks, the same bits on each; raises `RankLost`."""
        if self.size > 1:
            with self._together():
                torch.distributed.all_reduce(tensor)
        return tensor

    def told(self, value: T) -> T:
        """What rank 0 calls this with; it must be possible to pickle. Raises `RankLost`."""
        values = [value]
        if self.size > 1:
            with self._together():
                torch.distributed.broadcast_object_list(values)
        return values[0]

    def gather(self, values: Tensor) -> Tensor:
        """Every rank's vector, one a row."""
        # A sum with zeros: gloo exchanges tensors on a GPU in sums only.
        table = values.new_zeros(self.size, len(values))
        table[self.rank] = values
        return self.sum_(table)

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RankLost(f"rank {self.rank} of {self.size} lost another: {error}") from error


ALONE = Ranks()


@contextmanager
def joined(backend: str) -> Iterator[Ranks]:
    """Within: this process is the rank that its environment names, as torchrun sets it. Raises `RankLost`."""
    try:
        # A rank may wait for rank 0 as long as that waits for another job; that one has ended is seen otherwise.
        torch.distributed.init_process_group(backend, timeout=timedelta(days=1))
    except RuntimeError as error:
        raise RankLost(f"the ranks did not meet: {error}") from error
    try:
        yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
