"""What a store says when it refuses or cannot be reached, in words that name the remedy."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from homing.errors import HomingError, StorageError
from homing.storage.places import Place, is_remote, shown

MAX_SAID = 300
OWN_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""A copy's local half that fails is no fault of the store."""
STORES_SAY = r"AWS Error|google::cloud|GetObject|Azure"
REMEDIES = (
    (
        r"NO_SUCH_BUCKET|NoSuchBucket|bucket[^.]*(?:does not exist|not found)|ContainerNotFound",
        "there is no such bucket",
        "Check its name, or make it first.",
    ),
    (
        r"INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch"
        r"|INVALID_CLIENT_TOKEN_ID|EXPIRED_TOKEN|ExpiredToken|UNRECOGNIZED_CLIENT",
        "the keys are not accepted",
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or log in anew.",
    ),
    (
        r"ACCESS_DENIED|AccessDenied|\b403\b|Forbidden|PERMISSION_DENIED|PermissionDenied",
        "access is denied",
        "Give the account of these credentials the right to list, read, write and delete there; "
        "without any credentials set some first.",
    ),
    (
        r"[Cc]redential|[Uu]nauthenticated|\b401\b|anonymous",
        "there are no credentials for it",
        "Set them as the store's own tools read them, such as AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or a role of this machine.",
    ),
    (
        r"curlCode|NETWORK_CONNECTION|[Tt]imed? ?out|Connection|resolve|Name or service"
        r"|UNAVAILABLE|REQUEST_TIMEOUT",
        "it cannot be reached",
        "Check the network, and AWS_ENDPOINT_URL if the store is not Amazon's.",
    ),
    (
        r"SLOW_DOWN|THROTTL|TooManyRequests|\b503\b|\b429\b|SERVICE_UNAVAILABLE",
        "it asks for fewer requests",
        "Wait a while; with many workers, use fewer (--workers).",
    ),
    (r"PERMANENT_REDIRECT|301|AuthorizationHeaderMalformed", "it is in another region",
     "Set AWS_REGION to the bucket's, or unset it."),
)  # fmt: skip
"""What the message holds, what it means, and what to do; the first that fits."""

UNKNOWN = ("it failed", "Check the store, and run the same command again.")


@contextmanager
def storage_errors(place: Place) -> Iterator[None]:
    """Turn what the library of a remote place raises into `StorageError` while the block runs.

    A file that is not there stays `FileNotFoundError`; local places keep the system's errors.
    """
    try:
        yield
    except (HomingError, FileNotFoundError):
        raise
    except Exception as error:
        if not is_remote(place) or not _is_of_a_store(error):
            raise
        raise storage_error(error, place) from error


def storage_error(error: BaseException, place: Place) -> StorageError:
    """Return the typed error for what a store's library said."""
    said = " ".join(str(error).split()) or type(error).__name__
    known = ((meaning, remedy) for pattern, meaning, remedy in REMEDIES if re.search(pattern, said))
    meaning, remedy = next(known, UNKNOWN)
    detail = shown(said)[:MAX_SAID].rstrip(".")
    return StorageError(f"{shown(place)}: {meaning}. {remedy} The store said: {detail}.")


def is_of_a_store(error: BaseException) -> bool:
    """Tell by its words whether an error came from a store while a stream of it was read."""
    return isinstance(error, OSError) and re.search(STORES_SAY, str(error)) is not None


def _is_of_a_store(error: Exception) -> bool:
    """Tell errors of libraries that talk to stores from defects of the code around them."""
    if isinstance(error, OSError):
        return error.errno not in OWN_DISK
    room = type(error).__module__.partition(".")[0]
    return room not in ("builtins", "homing")
