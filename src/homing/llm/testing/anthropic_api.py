"""Anthropic's messages: requests, answers and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from homing.llm.testing.asked import Asked, Form, text_of
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.dialect import Body, Refused
from homing.llm.testing.schemas import anthropic_fault
from homing.llm.testing.spoiling import Completion

FAULTS = {
    "rate_limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "quota": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
        "Billing to upgrade or purchase credits.",
    ),
    "billing": (402, "billing_error", "There is an issue with your billing information."),
    "bad_key": (401, "authentication_error", "invalid x-api-key"),
    "unknown_model": (404, "not_found_error", "model: {model}"),
    "too_long": (
        400,
        "invalid_request_error",
        "prompt is too long: 208310 tokens > 200000 maximum",
    ),
    "error_500": (500, "api_error", "Internal server error"),
    "error_529": (529, "overloaded_error", "Overloaded"),
    "not_found": (404, "not_found_error", "Not found"),
}
SAMPLING = ("temperature", "top_p", "top_k")
FINISHES = {
    "stop": "end_turn",
    "length": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
}


def error(message: str, kind: str = "invalid_request_error") -> Body:
    """Return the body of an error."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}


def invalid(message: str) -> Refused:
    """Return a refusal by 400."""
    return Refused(400, error(message))


class AnthropicDialect:
    """Messages; implements `Dialect`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Return what is asked, or refuse as Anthropic does."""
        messages, max_tokens = body.get("messages"), body.get("max_tokens")
        if not isinstance(messages, list) or not messages:
            raise invalid("messages: at least one message is required")
        if not isinstance(max_tokens, int) or max_tokens < 1:
            raise invalid("max_tokens: Field required")
        for name in SAMPLING:
            if name in body:
                raise invalid(f"{name}: Extra inputs are not permitted")
        if body.get("stream"):
            raise invalid("stream: not supported by this test server")
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise invalid("model: Field required")
        if self._behaviour.models and model not in self._behaviour.models:
            raise Refused(*self.fault("unknown_model", model))
        form, schema, tool = self._form(body)
        return Asked.of(
            model=model,
            system=text_of(body.get("system", "")),
            user="\n\n".join(text_of(message.get("content")) for message in messages),
            form=form,
            schema=schema,
            max_tokens=max_tokens,
            tool=tool,
            n_messages=len(messages) + ("system" in body),
        )

    def _form(self, body: Mapping[str, Any]) -> tuple[Form, Mapping[str, Any] | None, str]:
        """Return form, schema and forced tool, of a structured output or of a tool."""
        unsupported, ignores = self._behaviour.unsupported, self._behaviour.ignores
        if (tools := body.get("tools")) and "tools" in unsupported:
            raise invalid("tools: Extra inputs are not permitted")
        choice = body.get("tool_choice") or {}
        if tools and choice.get("type") in ("tool", "any"):
            tool = next((t for t in tools if t["name"] == choice.get("name", t["name"])), None)
            if tool is None:
                raise invalid(f"tool_choice: Tool '{choice['name']}' not found in provided tools")
            return "tool", tool["input_schema"], tool["name"]
        output = (body.get("output_config") or {}).get("format")
        if output is None or "output_config" in ignores:
            return "text", None, ""
        if "output_config" in unsupported:
            raise invalid("output_config: Extra inputs are not permitted")
        schema = output.get("schema")
        if output.get("type") != "json_schema" or not isinstance(schema, Mapping):
            raise invalid("output_config.format: a json_schema with its schema is required")
        if self._behaviour.checks_schemas and (fault := anthropic_fault(schema)):
            raise invalid(f"output_config.format.schema: {fault}")
        return "json_schema", schema, ""

    def answer(self, asked: Asked, completion: Completion, usage: tuple[int, int]) -> Body:
        """Return a message."""
        content, stop_reason = _content(asked, completion)
        return {
            "id": f"msg_{asked.content}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [] if completion.empty else content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        }

    def fault(self, kind: str, asked_model: str) -> tuple[int, Body]:
        """Return status and body of a fault that has some."""
        kind = "rate_limit" if kind.startswith("rate_limit") else kind
        status, type_, message = FAULTS[kind]
        return status, error(message.format(model=asked_model), type_)

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key that was sent, "" if none was."""
        bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return headers.get("x-api-key", bearer)


def _content(asked: Asked, completion: Completion) -> tuple[list[Body], str]:
    """Return the blocks and the stop reason; a tool that cannot be called leaves a text."""
    stop_reason = FINISHES[completion.finish]
    text: list[Body] = [{"type": "text", "text": completion.text}] if completion.text else []
    if asked.form != "tool" or stop_reason == "refusal":
        return text, stop_reason
    values: Any = None
    try:
        values = json.loads(completion.text)
    except ValueError:
        if completion.finish == "length":
            values = {}  # what the API gives of a call that was cut off
    if not isinstance(values, dict):
        return text, stop_reason
    call = {"type": "tool_use", "id": f"toolu_{asked.content}", "name": asked.tool, "input": values}
    return [call], "tool_use" if stop_reason == "end_turn" else stop_reason
