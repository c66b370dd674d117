"""Models behind OpenAI's chat completions: OpenAI itself and every server that speaks like it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from homing.errors import MissingDependencyError
from homing.llm import wire
from homing.llm.ledger import Ledger
from homing.llm.manners import Ladder
from homing.llm.provider import ChatAnswer, ChatRequest, Finish, ProviderError, TransientFailure
from homing.llm.remote import RemoteProvider, Server, counted
from homing.llm.structured import closed, described, is_strict

OWN_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
NO_KEY = "none"
"""For servers that want none: the SDK does not go without."""
REASONING = re.compile(r"(?:gpt-[5-9](?!.*chat)|o\d)")
SCHEMA = Ladder(
    "schema",
    ("json_schema", "json_object", "text"),
    re.compile(r"response_format|json_schema|json_object|schema|structured|grammar|guided", re.I),
)
FINISHES: dict[str | None, Finish] = {"length": "length", "content_filter": "refusal"}


class OpenAIProvider(RemoteProvider[ChatRequest, ChatAnswer]):
    """Asks a model by chat completions; implements `Provider`.

    What servers do not agree about (schemas, how the limit of tokens is called, whether a
    temperature may be told) is found out once. OpenAI's reasoning models are asked for little of
    it: reasoning is billed as output, and comes out of `max_tokens`.
    """

    kind = "openai"
    key_variable = KEY_VARIABLE
    path = "/chat/completions"
    models_path = "/models"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        ledger: Ledger | None = None,
        seed: int | None = None,
    ) -> None:
        """Set up; nothing is sent.

        Args:
            base_url: None takes OPENAI_BASE_URL, or OpenAI's own.
            api_key: None takes OPENAI_API_KEY; servers other than OpenAI's may want none.
            ledger: Remembers how the server wants to be asked.
            seed: Sent along, for servers that sample from it.

        Raises:
            ProviderError: OpenAI is to be asked, and there is no key.
            UsageError: The base URL is none.
            MissingDependencyError: The SDK is not installed.
        """
        server = find_server(base_url, api_key)
        ladders = _ladders(model, is_own=server.is_own)
        super().__init__(model, server, timeout_s=timeout_s, ladders=ladders, ledger=ledger)
        self._seed = seed

    def _make_client(self) -> Any:
        return make_client(self.server, self._timeout_s)

    def needs(self, request: ChatRequest) -> set[str]:
        needs = {"effort", "tokens"}
        needs |= {"schema"} if request.schema is not None else set()
        needs |= {"temperature"} if request.temperature is not None else set()
        return needs | ({"seed"} if self._seed is not None else set())

    def body(self, request: ChatRequest, ways: Mapping[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, ways["tokens"]: request.max_tokens}
        if ways["effort"] != "unsaid":
            body["reasoning_effort"] = ways["effort"]
        if request.temperature is not None and ways["temperature"] == "said":
            body["temperature"] = request.temperature
        if self._seed is not None and ways["seed"] == "said":
            body["seed"] = self._seed
        user = request.user
        if request.schema is not None:
            if ways["schema"] == "json_schema":
                schema = closed(request.schema)
                named = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
                body["response_format"] = {"type": "json_schema", "json_schema": named}
            else:
                user = described(user, request.schema)
                if ways["schema"] == "json_object":
                    body["response_format"] = {"type": "json_object"}
        system = [{"role": "system", "content": request.system}] if request.system else []
        body["messages"] = [*system, {"role": "user", "content": user}]
        return body

    def read(self, body: Mapping[str, Any], request: ChatRequest) -> ChatAnswer:
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if choice is None or not isinstance(message, dict):
            raise TransientFailure("malformed", "There is no answer in the reply.")
        refusal = message.get("refusal")
        text = refusal if isinstance(refusal, str) and refusal else _text(message.get("content"))
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return ChatAnswer(
            text=text,
            finish="refusal" if refusal else FINISHES.get(choice.get("finish_reason"), "stop"),
            input_tokens=counted(usage.get("prompt_tokens"), f"{request.system}\n{request.user}"),
            output_tokens=counted(usage.get("completion_tokens"), text),
        )


def _ladders(model: str, *, is_own: bool) -> list[Ladder]:
    tokens = ("max_tokens", "max_completion_tokens")
    effort = ("low", "unsaid") if is_own and REASONING.match(model) else ("unsaid",)
    return [
        Ladder("effort", effort, re.compile("reasoning|effort")),
        Ladder("tokens", tokens[::-1] if is_own else tokens, re.compile("max_[a-z_]*tokens")),
        Ladder("temperature", ("said", "unsaid"), re.compile("temperature")),
        Ladder("seed", ("said", "unsaid"), re.compile(r"\bseed\b")),
        SCHEMA,
    ]


def _text(content: Any) -> str:
    """Return the text of a message, which some servers send in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def find_server(base_url: str | None, api_key: str | None) -> Server:
    """Return where to ask, from what is given and from the environment; see `OpenAIProvider`."""
    try:
        import openai
    except ImportError as error:
        raise MissingDependencyError.for_extra("openai", "llm") from error
    base_url = server_url(base_url)
    is_own = f".{wire.address_of(base_url)}".rpartition(":")[0].endswith(".openai.com")
    key = wire.checked_key(api_key or os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
    if not key and is_own:
        raise ProviderError(
            f"{KEY_VARIABLE} is not set. Set it (export {KEY_VARIABLE}=sk-...), or "
            "name a server that needs no key with --base-url, such as http://localhost:11434/v1"
        )
    return Server(openai, base_url, key or None, is_own)


def server_url(base_url: str | None) -> str:
    """Return the base URL that is asked: the given one, OPENAI_BASE_URL, or OpenAI's own.

    Raises:
        UsageError: It is none.
    """
    return wire.checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or OWN_URL)


def make_client(server: Server, timeout_s: float, max_bytes: int = wire.MAX_BODY_BYTES) -> Any:
    """Return the SDK's client; a reply of more than `max_bytes` is an error."""
    return server.sdk.AsyncOpenAI(
        api_key=server.key or NO_KEY,
        base_url=server.base_url,
        timeout=timeout_s,
        max_retries=0,
        http_client=wire.http_client(server.sdk, timeout_s, max_bytes),
    )
