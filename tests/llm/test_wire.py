"""What servers say in their own ways: when to come back, what went wrong, what they take."""

from __future__ import annotations

import email.utils

import pytest

from homing.errors import UsageError
from homing.llm.provider import ProviderError, TransientFailure
from homing.llm.structured import closed, described, is_strict, without_bounds
from homing.llm.wire import address_of, checked_key, checked_url, error_of, read_json, retry_after_s

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": email.utils.formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": email.utils.formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_when_to_come_back_is_read_in_seconds_milliseconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        (
            b'{"error": {"message": "No such\\nmodel.", "type": "invalid", "code": "not_found"}}',
            "not_found invalid",
            "No such model.",
        ),
        (b'{"error": "model \\"qwen3\\" not found, try pulling it first"}', "",
         'model "qwen3" not found, try pulling it first'),
        (b'{"object": "error", "message": "Too long.", "code": 400}', "400", "Too long."),
        (b'{"detail": [{"loc": ["body", "response_format"], "msg": "extra"}]}', "",
         '[{"loc": ["body", "response_format"], "msg": "extra"}]'),
        (b"upstream connect error", "", "upstream connect error"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "", ""),
        (b"", "", ""),
        (b"\xff\xfe", "", "\ufffd\ufffd"),
    ],
)  # fmt: skip
def test_an_error_is_understood_however_a_server_puts_it(
    body: bytes, codes: str, message: str
) -> None:
    assert error_of(body) == (codes, message)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(TransientFailure, match="no JSON object"):
        read_json(body)


def test_an_address_is_shown_without_its_password() -> None:
    assert address_of("https://me:secret@gateway.example.com/v1") == "gateway.example.com:443"
    assert address_of("http://localhost:11434/v1") == "localhost:11434"


@pytest.mark.parametrize("url", ["localhost:8000", "http://localhost:abc/v1", "http://[::1/v1", ""])
def test_what_is_no_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(UsageError, match="is no base URL"):
        checked_url(url)


def test_a_slash_at_the_end_of_a_url_makes_no_difference() -> None:
    assert checked_url("http://localhost:8000/v1/") == "http://localhost:8000/v1"


def test_a_key_loses_the_white_space_around_it_and_may_hold_none() -> None:
    assert checked_key(" sk-1 \n", "OPENAI_API_KEY") == "sk-1"
    with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
        checked_key("“sk-1”", "OPENAI_API_KEY")


QUESTION = {"type": "object", "properties": {"question": {"type": "string", "minLength": 9}}}
SCHEMA = {
    "type": "object",
    "properties": {"questions": {"type": "array", "minItems": 2, "items": QUESTION}},
    "required": ["questions"],
}


def test_a_schema_is_closed_and_freed_of_bounds_without_being_changed_itself() -> None:
    before = str(SCHEMA)
    made = without_bounds(closed(SCHEMA))
    assert str(SCHEMA) == before
    questions = made["properties"]["questions"]
    assert made["additionalProperties"] is False
    assert questions["items"]["additionalProperties"] is False
    assert "minItems" not in questions
    assert "minLength" not in str(made)


def test_a_property_may_be_called_like_a_bound() -> None:
    schema = {"type": "object", "properties": {"minimum": {"type": "integer", "minimum": 1}}}
    assert without_bounds(schema)["properties"] == {"minimum": {"type": "integer"}}


def test_a_schema_is_strict_when_all_its_objects_are_closed_and_full() -> None:
    assert not is_strict(closed(SCHEMA))  # a question need not be there
    full = {**QUESTION, "required": ["question"]}
    whole = {**SCHEMA, "properties": {"questions": {"type": "array", "items": full}}}
    assert is_strict(closed(whole))
    assert not is_strict(whole)


def test_a_schema_in_words_stands_behind_what_is_asked() -> None:
    text = described("Ask about leave.", SCHEMA)
    assert text.startswith("Ask about leave.\n\nAnswer with JSON")
    assert text.endswith('"required": ["questions"]}')
