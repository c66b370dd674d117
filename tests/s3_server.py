"""A real S3 server of this machine, and the variables that lead to it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
UNSET = ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN")


class S3:
    """Names places on the server; their buckets are made."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._buckets: set[str] = set()

    def uri(self, path: str) -> str:
        """Return the URI of "bucket/path"."""
        bucket = path.partition("/")[0]
        if bucket not in self._buckets:
            self.ask("PUT", f"/{bucket}")
            self._buckets.add(bucket)
        return f"s3://{path}"

    def ask(self, method: str, path: str) -> None:
        """Send one request that needs no signature."""
        request = urllib.request.Request(self.endpoint + path, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(request, timeout=30).close()


@contextmanager
def running_s3() -> Iterator[str]:
    """Give the URL of a server that runs in this process while the block does."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()
