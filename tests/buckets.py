"""A real S3 server, moto's, and buckets on it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "elasticket",
    "AWS_SECRET_ACCESS_KEY": "elasticket-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address, which is in the environment meanwhile, with credentials."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    given = ENVIRONMENT | {"AWS_ENDPOINT_URL": address}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield address
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.stop()


def raw(endpoint: str) -> Any:
    """A client that knows nothing of ours."""
    import boto3

    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1")


def new_bucket(endpoint: str) -> str:
    """The URL of an empty bucket, with a prefix."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    raw(endpoint).create_bucket(Bucket=name)
    return f"s3://{name}/some/prefix"
