"""What an installation can do, and whether it is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack
from urllib.parse import quote

from api.client.models.catalogue import Architecture, Dataset, Family, Method
from api.client.models.health import Fleet, Health, Pool, Readiness
from api.client.models.queries import ListArchitecturesQuery, ShowArchitectureQuery
from api.client.models.requests import Definition, PoolChange
from api.client.transport import Transport


class Catalogue(Transport):
    """Routes of architectures, datasets, methods and health."""

    def architectures(self, **filters: Unpack[ListArchitecturesQuery]) -> Iterator[Family]:
        """All families, and how their members are named."""
        return self.pages(Family, "/architectures", filters)

    def architecture(self, name: str, **asked: Unpack[ShowArchitectureQuery]) -> Architecture:
        """An architecture: its tensors, its stages, its units."""
        return self.get(Architecture, f"/architectures/{name}", asked)

    def post_architecture(self, **definition: Unpack[Definition]) -> Architecture:
        """Enter a family that is described as data."""
        return self.post(Architecture, "/architectures", definition)

    def datasets(self) -> Iterator[Dataset]:
        """All datasets."""
        return self.pages(Dataset, "/datasets")

    def methods(self) -> Iterator[Method]:
        """All pruning methods, with their parameters."""
        return self.pages(Method, "/methods")

    def health(self) -> Health:
        """Whether the API answers, and its version."""
        return self.get(Health, "/healthz")

    def readiness(self) -> Readiness:
        """Whether it can do its work; raises ApiError where something is missing."""
        return self.get(Readiness, "/readyz")

    def fleet(self) -> Fleet:
        """Who works, what is to be done, and what came of it."""
        return self.get(Fleet, "/fleet")

    def change_pool(self, pool: str, **change: Unpack[PoolChange]) -> Pool:
        """Drain a worker, or have it take jobs again."""
        return self.post(Pool, f"/fleet/pools/{quote(pool, safe=':')}", change, method="PATCH")

    def metrics(self) -> str:
        """How the whole installation does, as Prometheus reads it; for the operator alone."""
        return self.text("/metrics")
