"""A store that refuses or cannot be reached says what to do, and gives no secret away."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from homing.errors import StorageError
from homing.storage import exists, list_files, open_input, storage_errors, write_bytes
from homing.storage.places import clear_file_systems
from homing.storage.s3 import ENDPOINTS, REGIONS


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Refusing(BaseHTTPRequestHandler):
    """Says 403 to whatever is asked, as S3 does to keys without rights."""

    code = "AccessDenied"

    def answer(self) -> None:
        body = f"<Error><Code>{self.code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def refusing(s3, monkeypatch):
    """An S3 server that lets nobody in; gives the class whose code can be changed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    clear_file_systems()
    yield Refusing
    server.shutdown()
    server.server_close()
    Refusing.code = "AccessDenied"


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(StorageError, match="s3://nobody-has-this/a: there is no such bucket"):
        write_bytes("s3://nobody-has-this/a", b"x")


def test_a_server_that_is_not_there_is_said_with_the_variable_that_names_it(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_free_port()}")
    clear_file_systems()
    with pytest.raises(StorageError, match=r"cannot be reached\. .*AWS_ENDPOINT_URL"):
        exists("s3://data/a")


def test_denied_access_names_the_rights(refusing):
    for use in (lambda: list_files("s3://data/a"), lambda: write_bytes("s3://data/a", b"x")):
        with pytest.raises(StorageError, match=r"access is denied\. Give .*right to list, read"):
            use()


def test_wrong_keys_name_their_variables(refusing):
    refusing.code = "InvalidAccessKeyId"
    with pytest.raises(StorageError, match=r"keys are not accepted\. .*AWS_SECRET_ACCESS_KEY"):
        list_files("s3://data/a")


def test_a_missing_file_is_no_trouble_of_the_store(s3):
    s3.uri("data/")
    with pytest.raises(FileNotFoundError):
        open_input("s3://data/none")


def test_errors_of_this_machine_and_defects_stay_what_they_are():
    with pytest.raises(OSError, match="No space") as error, storage_errors("s3://b/a"):
        raise OSError(28, "No space left on device")
    assert not isinstance(error.value, StorageError)
    with pytest.raises(ValueError, match="ours"), storage_errors("s3://b/a"):
        raise ValueError("ours")
    with pytest.raises(OSError, match="disk"), storage_errors("/local"):
        raise OSError("disk")


def test_what_a_store_says_is_passed_on_without_passwords():
    with pytest.raises(StorageError) as error, storage_errors("sftp://host/a"):
        raise OSError("login to sftp://me:hush@host/a failed")
    assert "hush" not in str(error.value)


def test_a_bucket_whose_region_cannot_be_asked_for_is_named(monkeypatch):
    for name in (*ENDPOINTS, *REGIONS):
        monkeypatch.delenv(name, raising=False)

    def unreachable(bucket: str) -> str:
        raise OSError(f"When resolving region for bucket '{bucket}': curlCode: 6")

    monkeypatch.setattr("pyarrow.fs.resolve_s3_region", unreachable)
    clear_file_systems()
    with pytest.raises(StorageError, match=r"^s3://far/docs: it cannot be reached"):
        exists("s3://far/docs")
