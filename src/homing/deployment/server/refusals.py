"""What the server says when it does not do what was asked, in the shape of OpenAI's errors."""

from __future__ import annotations

import json
from collections.abc import Mapping


class Refusal(Exception):
    """A request that is answered with an error, by which clients raise their typed ones.

    Attributes:
        status: Of HTTP.
        code: Short and in snake_case, for programs.
        param: The field that is to blame, None where none is.
        reason: Under which it is counted.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the JSON to send."""
        return error_body(self.status, self.message, self.code, self.param)


def error_body(status: int, message: str, code: str, param: str | None = None) -> bytes:
    """Return an error as OpenAI's clients read it."""
    error = {"message": message, "type": error_type(status), "param": param, "code": code}
    return json.dumps({"error": error}).encode()


def error_type(status: int) -> str:
    """Return OpenAI's name for the kind of an error."""
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    if status >= 500:
        return "server_error"
    return kinds.get(status, "invalid_request_error")


def bad_request(message: str, *, param: str | None = None, code: str = "invalid_value") -> Refusal:
    """Return the refusal of a request that is not sound."""
    return Refusal(400, message, code=code, param=param)


def unprocessable(message: str, *, param: str, code: str) -> Refusal:
    """Return the refusal of a request that is sound and asks too much."""
    return Refusal(422, message, code=code, param=param)
