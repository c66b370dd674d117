"""A group of settings, and what all groups share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict
from pydantic.types import JsonValue

NO_EFFECT: dict[str, JsonValue] = {"affects_result": False}
"""Marks a field that changes how fast a stage is, never what comes out of it."""


class Section(BaseModel):
    """A group of settings that cannot be changed once read; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def affecting_result(self) -> dict[str, Any]:
        """Return the settings that decide what comes out, as JSON-able values."""
        values = self.model_dump(mode="json")
        return {
            name: values[name]
            for name, field in type(self).model_fields.items()
            if field.json_schema_extra != NO_EFFECT
        }


def without_secrets(url: str | None) -> str | None:
    """Return a URL that may be written to a file.

    Raises:
        ValueError: It is no http address, or holds a name and password.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be an address such as http://localhost:8000/v1")
    if parts.username or parts.password:
        raise ValueError("it holds a password, and settings are saved; use OPENAI_API_KEY")
    return url
