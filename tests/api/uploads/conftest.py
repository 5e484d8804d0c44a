"""An API whose artifacts lie in a bucket: one for a module, since making one takes a second."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from core.settings import Settings
from tests.api.conftest import serving
from tests.buckets import new_bucket
from tests.conftest import MakeUrlOf


@pytest.fixture(scope="module")
def in_bucket(
    tmp_path_factory: pytest.TempPathFactory, lasting_url: MakeUrlOf, object_store: str
) -> Settings:
    """Settings of an installation with a bucket."""
    return Settings(
        home=tmp_path_factory.mktemp("home"),
        database_url=lasting_url("sqlite"),
        artifacts=new_bucket(object_store),
    )


@pytest.fixture(scope="module")
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
