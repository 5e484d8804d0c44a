"""An API whose artifacts lie in a bucket."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from core.settings import Settings
from tests.api.conftest import serving


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def in_bucket(settings: Settings, bucket_url: str) -> Settings:
    """Settings of an installation with a bucket."""
    return settings.model_copy(update={"artifacts": bucket_url})


@pytest.fixture
def address(in_bucket: Settings) -> Iterator[str]:
    with serving(create_app(in_bucket)) as address:
        yield address


@pytest.fixture
def sent() -> Callable[[dict[str, Any], bytes], None]:
    """Sends a file to where an upload's parts say."""

    def send(upload: dict[str, Any], data: bytes) -> None:
        for part in upload["parts"]:
            body = data[part["offset"] : part["offset"] + part["size"]]
            httpx.put(part["url"], content=body, headers=part["headers"]).raise_for_status()

    return send
