"""OpenAI's chat completions: requests, answers, errors, as compatible servers speak them too."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from homing.llm.testing.asked import Asked, Form, text_of
from homing.llm.testing.behaviour import Behaviour
from homing.llm.testing.dialect import Body, Refused
from homing.llm.testing.schemas import openai_fault
from homing.llm.testing.spoiling import Completion

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FAULTS = {
    "rate_limit": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests."),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing": (402, "insufficient_balance", "billing_error", "Insufficient balance."),
    "bad_key": (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided."),
    "unknown_model": (
        404,
        "model_not_found",
        "invalid_request_error",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "too_long": (
        400,
        "context_length_exceeded",
        "invalid_request_error",
        "This model's maximum context length is 8192 tokens. Please reduce the length.",
    ),
    "error_500": (500, None, "server_error", "The server had an error while processing this."),
    "error_529": (529, None, "server_error", "The server is overloaded. Try again later."),
    "not_found": (404, None, "invalid_request_error", "There is no such thing here."),
}


def error(message: str, *, kind: str, code: str | None = None, param: str | None = None) -> Body:
    """Return the body of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refused:
    """Return a refusal by 400."""
    return Refused(400, error(message, kind="invalid_request_error", code=code, param=param))


class OpenAIDialect:
    """Chat completions; implements `Dialect`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Return what is asked, or refuse as OpenAI does."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise invalid("Missing required parameter: 'messages'.", param="messages")
        model = self.model_of(body)
        if body.get("stream"):
            raise invalid("Streaming is not supported by this test server.", param="stream")
        self._check_parameters(body)
        form, schema = self._form(body.get("response_format") or {"type": "text"})
        system: list[str] = []
        user: list[str] = []
        for message in messages:
            is_system = message.get("role") in ("system", "developer")
            (system if is_system else user).append(text_of(message.get("content")))
        if form == "json_object" and "json" not in "\n".join(system + user).lower():
            raise invalid(
                "'messages' must contain the word 'json' in some form, to use 'response_format' "
                "of type 'json_object'.",
                param="messages",
            )
        return Asked.of(
            model=model,
            system="\n\n".join(system),
            user="\n\n".join(user),
            form=form,
            schema=schema,
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            temperature=body.get("temperature"),
            n_messages=len(messages),
        )

    def model_of(self, body: Mapping[str, Any]) -> str:
        """Return the model that a request names, or refuse one that is not there."""
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise invalid("you must provide a model parameter")
        if self._behaviour.models and model not in self._behaviour.models:
            raise Refused(*self.fault("unknown_model", model))
        return model

    def _check_parameters(self, body: Mapping[str, Any]) -> None:
        """Refuse the parameters that are declared unsupported, in OpenAI's words."""
        unsupported = self._behaviour.unsupported
        given = {name for name, value in body.items() if value is not None}
        if {"max_tokens", "max_completion_tokens"} <= given:
            raise invalid(
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
                "supported.",
                param="max_tokens",
                code="invalid_parameter_combination",
            )
        if "max_tokens" in given and "max_tokens" in unsupported:
            raise invalid(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            )
        if "max_completion_tokens" in given and "max_completion_tokens" in unsupported:
            raise invalid("Unrecognized request argument supplied: max_completion_tokens")
        if "temperature" in given and "temperature" in unsupported and body["temperature"] != 1:
            raise invalid(
                f"Unsupported value: 'temperature' does not support {body['temperature']} with "
                "this model. Only the default (1) value is supported.",
                param="temperature",
                code="unsupported_value",
            )

    def _form(self, response_format: Mapping[str, Any]) -> tuple[Form, Mapping[str, Any] | None]:
        kind = response_format.get("type")
        if kind not in ("text", "json_object", "json_schema"):
            raise invalid(f"Invalid value: '{kind}'.", param="response_format.type")
        if kind in self._behaviour.unsupported:
            raise invalid(
                f"Invalid parameter: 'response_format' of type '{kind}' is not supported with "
                "this model.",
                param="response_format",
            )
        if kind in self._behaviour.ignores:
            return "text", None
        if kind != "json_schema":
            return kind, None
        return kind, self._schema(response_format.get("json_schema") or {})

    def _schema(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        name, schema = given.get("name"), given.get("schema")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise invalid(
                "Missing or invalid parameter: 'response_format.json_schema.name'.",
                param="response_format.json_schema.name",
            )
        if not isinstance(schema, Mapping):
            raise invalid(
                "Missing required parameter: 'response_format.json_schema.schema'.",
                param="response_format.json_schema.schema",
            )
        fault = openai_fault(schema) if given.get("strict") else ""
        if fault and self._behaviour.checks_schemas:
            message = f"Invalid schema for response_format '{name}': {fault}"
            raise invalid(message, param="response_format")
        return schema

    def answer(self, asked: Asked, completion: Completion, usage: tuple[int, int]) -> Body:
        """Return a chat completion."""
        refused = completion.finish == "refusal"
        message = {
            "role": "assistant",
            "content": None if refused else completion.text,
            "refusal": completion.text if refused else None,
        }
        finish = "stop" if refused else completion.finish
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {
            "id": f"chatcmpl-{asked.content}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [] if completion.empty else [choice],
            "usage": {
                "prompt_tokens": usage[0],
                "completion_tokens": usage[1],
                "total_tokens": sum(usage),
            },
        }

    def fault(self, kind: str, asked_model: str) -> tuple[int, Body]:
        """Return status and body of a fault that has some."""
        kind = "rate_limit" if kind.startswith("rate_limit") else kind
        status, code, type_, message = FAULTS[kind]
        return status, error(message.format(model=asked_model), kind=type_, code=code)

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key that was sent, "" if none was."""
        return headers.get("authorization", "").removeprefix("Bearer ").strip()
