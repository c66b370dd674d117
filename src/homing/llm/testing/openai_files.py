"""What OpenAI's files hold: uploads, the lines of a batch, and the pages of a list."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from homing.llm.testing.dialect import Body
from homing.llm.testing.http import HttpRequest, Reply, json_reply
from homing.llm.testing.openai_api import invalid

ENDPOINT = "/v1/chat/completions"


@dataclass(slots=True)
class File:
    """A file that was uploaded, or that a batch made."""

    id: str
    name: str
    purpose: str
    content: bytes
    created_at: int

    def shown(self) -> Body:
        """Return the API's description of it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


def read_lines(content: bytes, most: int) -> tuple[list[Body], list[Body]]:
    """Return the requests of an input file, and what is wrong with it."""
    lines: list[Body] = []
    errors: list[Body] = []
    seen: set[str] = set()
    for number, raw in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        try:
            line = json.loads(raw)
            custom_id, endpoint = str(line["custom_id"]), (line["method"], line["url"])
            lines.append({"custom_id": custom_id, "body": dict(line["body"])})
        except (ValueError, KeyError, TypeError):
            message = "This line is no batch request."
            errors.append(batch_error("invalid_json_line", message, number))
            continue
        if endpoint != ("POST", ENDPOINT):
            message = "The URL provided for this request does not match the batch endpoint."
            errors.append(batch_error("mismatched_endpoint", message, number))
        if custom_id in seen:
            message = "The custom_id for this request is a duplicate of another request."
            errors.append(batch_error("duplicate_custom_id", message, number))
        seen.add(custom_id)
    if not lines and not errors:
        errors.append(batch_error("empty_file", "The input file is empty.", None))
    if len(lines) > most:
        message = f"The batch exceeds the maximum of {most} requests."
        errors.append(batch_error("request_limit_exceeded", message, None))
    return lines, errors


def batch_error(code: str, message: str, line: int | None) -> Body:
    """Return what is wrong with a batch, or with one line of it."""
    return {"code": code, "message": message, "param": None, "line": line}


def listed(shown: list[Body], request: HttpRequest) -> Reply:
    """Return one page of a list, the newest first."""
    newest = shown[::-1]
    ids = [item["id"] for item in newest]
    after = request.query.get("after")
    start = ids.index(after) + 1 if after in ids else 0
    limit = int(request.query.get("limit", "20"))
    page = newest[start : start + limit]
    return json_reply(
        200,
        {
            "object": "list",
            "data": page,
            "has_more": start + limit < len(newest),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        },
    )


def form_parts(request: HttpRequest) -> dict[str, tuple[str, bytes]]:
    """Return name -> (file name, content) of a multipart form."""
    match = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if match is None:
        raise invalid("A multipart form was expected.")
    parts = {}
    for part in request.body.split(b"--" + match[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        parts[names.get("name", "")] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
    return parts
