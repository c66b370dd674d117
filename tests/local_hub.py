"""A hub on 127.0.0.1: the part of the real one's HTTP API that a push and a load use.

Files are kept by their hashes, commits as lists of them; weights come by LFS, all else in the
commit itself. What `go_wrong` says is answered instead: (method, part of the path) -> status.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_only-for-this-test-0123456789"
LFS_SUFFIXES = (".safetensors", ".bin", ".onnx")


@dataclass
class Repository:
    """One repository: branch -> commits, each a mapping of path -> SHA-256."""

    private: bool
    branches: dict[str, list[str]] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def tip(self, revision: str) -> str | None:
        """Return the commit that a branch or a commit's own name stands for."""
        if revision in self.commits:
            return revision
        return self.branches[revision][-1] if revision in self.branches else None

    def add(self, branch: str, files: dict[str, str], message: str) -> str:
        """Return a new commit at the tip of a branch."""
        before = self.branches.get(branch, [""])[-1]
        text = json.dumps([before, sorted(files.items()), message])
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid], self.messages[oid] = files, message
        self.branches.setdefault(branch, []).append(oid)
        return oid


class LocalHub(ThreadingHTTPServer):
    """The hub; `asked` lists the method and path of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.go_wrong: dict[tuple[str, str], int] = {}
        self.owners = {"me"}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keep(self, content: bytes) -> str:
        """Return the hash under which a file is kept."""
        key = hashlib.sha256(content).hexdigest()
        self.blobs[key] = content
        return key

    def read(self, hub_id: str, name: str, revision: str = "main") -> bytes:
        """Return a file as the repository has it."""
        repository = self.repositories[hub_id]
        tip = repository.tip(revision)
        assert tip is not None
        return self.blobs[repository.commits[tip][name]]


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """Run a hub until the block ends."""
    hub = LocalHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LocalHub

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        self.server.asked.append((self.command, path))
        for (method, part), status in self.server.go_wrong.items():
            if method == self.command and part in path:
                return self._json(status, {"error": f"made up: {status}"})
        authorization = self.headers.get("authorization", "")
        if authorization:
            self.server.tokens.add(authorization)
        if path.startswith("/lfs/"):  # as S3: the address alone is the right to write
            return self._lfs(path, body)
        if authorization and authorization != f"Bearer {TOKEN}":
            message = "Invalid credentials in Authorization header"
            return self._json(401, {"error": message}, {"X-Error-Message": message})
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._api("/".join(parts[2:4]), parts[4:], body)
        return self._resolve("/".join(parts[:2]), parts[2:])

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while n := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(n))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        named = {"Content-Type": "application/json", **(headers or {})}
        self._send(status, json.dumps(value).encode(), named)

    def _validate(self, content: str) -> None:
        try:
            front = yaml.safe_load(content.split("---\n")[1]) if content.startswith("---") else {}
            assert isinstance(front, dict)
        except (yaml.YAMLError, AssertionError) as error:
            return self._json(400, {"errors": [{"message": str(error)}], "warnings": []})
        return self._json(200, {"errors": [], "warnings": []})

    def _create(self, asked: dict[str, Any]) -> None:
        if not self.headers.get("authorization"):
            return self._json(401, {"error": "a token is needed"})
        if asked["organization"] not in self.server.owners:
            return self._json(403, {"error": f"no rights on {asked['organization']}"})
        hub_id = f"{asked['organization']}/{asked['name']}"
        answer = {"url": f"{self.server.url}/{hub_id}", "name": hub_id}
        if hub_id in self.server.repositories:
            return self._json(409, {**answer, "error": "You already created this model repo"})
        repository = Repository(private=asked.get("visibility") == "private")
        repository.add("main", {".gitattributes": self.server.keep(b"*.bin lfs\n")}, "initial")
        self.server.repositories[hub_id] = repository
        return self._json(200, answer)

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for wanted in asked["objects"]:
            found: dict[str, Any] = dict(wanted)
            if wanted["oid"] not in self.server.blobs:
                href = f"{self.server.url}/lfs/{wanted['oid']}"
                found["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(found)
        self._json(200, {"transfer": "basic", "objects": objects})

    def _lfs(self, path: str, body: bytes) -> None:
        oid = path.split("/")[2]
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != oid:
                return self._json(400, {"error": "the content is another"})
            self.server.keep(body)
            return self._send(200, b"", {})
        size = json.loads(body)["size"]
        is_there = len(self.server.blobs.get(oid, b"")) == size
        return self._json(200 if is_there else 404, {})

    def _repository(self, hub_id: str) -> Repository | None:
        """Return a repository, None (answered with the hub's own 404 or 401) if it is not seen."""
        repository = self.server.repositories.get(hub_id)
        is_known = bool(self.headers.get("authorization"))
        if repository is None or (repository.private and not is_known):
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self._json(404 if is_known else 401, {"error": "Repository not found"}, headers)
            return None
        return repository

    def _api(self, hub_id: str, rest: list[str], body: bytes) -> None:
        repository = self._repository(hub_id)
        if repository is None:
            return None
        what = rest[0] if rest else "revision"
        revision = "/".join(rest[1:]) if what != "tree" else rest[1]
        revision = revision or "main"
        if what == "branch":
            if revision in repository.branches:
                return self._json(409, {"error": "Reference already exists"})
            repository.branches[revision] = list(repository.branches["main"])
            return self._json(200, {})
        tip = repository.tip(revision)
        if tip is None:
            headers = {"X-Error-Code": "RevisionNotFound"}
            return self._json(404, {"error": "no such revision"}, headers)
        if what == "preupload":
            return self._preupload(repository.commits[tip], json.loads(body))
        if what == "commit":
            return self._commit(hub_id, repository, revision, body)
        files = repository.commits[tip]
        if what == "tree":
            return self._json(200, [self._entry(name, key) for name, key in files.items()])
        siblings = [
            {"rfilename": name, "size": len(self.server.blobs[key])} for name, key in files.items()
        ]
        named = {"id": hub_id, "modelId": hub_id, "sha": tip, "private": repository.private}
        return self._json(200, {**named, "siblings": siblings, "tags": []})

    def _entry(self, name: str, key: str) -> dict[str, Any]:
        content = self.server.blobs[key]
        entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content)}
        entry["oid"] = _git_oid(content)
        if name.endswith(LFS_SUFFIXES):
            entry["lfs"] = {"oid": key, "size": len(content), "pointerSize": 134}
        return entry

    def _preupload(self, files: dict[str, str], asked: dict[str, Any]) -> None:
        found = []
        for file in asked["files"]:
            is_lfs = file["path"].endswith(LFS_SUFFIXES)
            answer = {"path": file["path"], "shouldIgnore": False}
            answer["uploadMode"] = "lfs" if is_lfs else "regular"
            if (key := files.get(file["path"])) is not None:
                answer["oid"] = key if is_lfs else _git_oid(self.server.blobs[key])
            found.append(answer)
        self._json(200, {"files": found})

    def _commit(self, hub_id: str, repository: Repository, branch: str, body: bytes) -> None:
        files = dict(repository.commits[repository.branches[branch][-1]])
        message = ""
        for line in body.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "header":
                message = value["summary"]
            elif step["key"] == "deletedFile":
                del files[value["path"]]
            elif step["key"] == "lfsFile":
                if value["oid"] not in self.server.blobs:
                    return self._json(400, {"error": f"{value['path']} was never sent"})
                files[value["path"]] = value["oid"]
            else:
                files[value["path"]] = self.server.keep(base64.b64decode(value["content"]))
        oid = repository.add(branch, files, message)
        url = f"{self.server.url}/{hub_id}/commit/{oid}"
        return self._json(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def _resolve(self, hub_id: str, rest: list[str]) -> None:
        repository = self._repository(hub_id)
        if repository is None:
            return None
        tip = repository.tip(rest[1]) if len(rest) > 2 else None
        name = "/".join(rest[2:])
        if tip is None or rest[0] != "resolve":
            return self._json(404, {"error": "no such page"}, {"X-Error-Code": "RevisionNotFound"})
        key = repository.commits[tip].get(name)
        if key is None:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": tip}
            return self._json(404, {"error": "Entry not found"}, headers)
        content = self.server.blobs[key]
        etag = key if name.endswith(LFS_SUFFIXES) else _git_oid(content)
        return self._send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": tip})


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
