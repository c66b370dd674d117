"""S3 and what speaks its language (MinIO, Ceph, R2): the file system of a bucket."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
ANY_REGION = "us-east-1"
"""Servers of one's own take any region, and this one is what they expect."""


@lru_cache(maxsize=64)
def s3_file_system(bucket: str) -> Any:
    """Return pyarrow's file system for a bucket: keys, region and endpoint from AWS_* and ~/.aws.

    The region is asked for once where no variable names it.
    """
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    endpoint = endpoint_url()
    region = next((os.environ[name] for name in REGIONS if os.environ.get(name)), None)
    # A small file is then one request to write, not three.
    options: dict[str, Any] = {"allow_delayed_open": True}
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
        region = region or ANY_REGION
    return S3FileSystem(region=region or resolve_s3_region(bucket), **options)


def endpoint_url() -> str:
    """Return the server that is asked in place of Amazon's, "" for none."""
    return next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
