"""Claude, by Anthropic's messages."""

from __future__ import annotations

import json
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
from homing.llm.structured import closed, described, without_bounds

OWN_URL = "https://api.anthropic.com"
NO_KEY = "none"
TOOL = "answer"
FINISHES: dict[str | None, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
LADDERS = (
    # Older models know no effort; newer ones think before they answer, and bill it as output.
    Ladder("effort", ("low", "unsaid"), re.compile("effort|output_config:")),
    Ladder(
        "schema",
        ("output_config", "tool", "text"),
        re.compile("output_config|output_format|json_schema|tool|schema|structured", re.I),
    ),
)


class AnthropicProvider(RemoteProvider[ChatRequest, ChatAnswer]):
    """Asks Claude; implements `Provider`.

    No temperature is sent: the API refuses it. Claude is asked to think little, where it can be.

    Attributes:
        sdk_finds_key: Whether there is no key, but a token or a profile that the SDK knows of.
    """

    kind = "anthropic"
    key_variable = "ANTHROPIC_API_KEY"
    path = "/v1/messages"
    models_path = "/v1/models"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        ledger: Ledger | None = None,
    ) -> None:
        """Set up; nothing is sent.

        Args:
            base_url: None takes ANTHROPIC_BASE_URL, or Anthropic's own.
            api_key: None takes ANTHROPIC_API_KEY, or what else the SDK finds.
            ledger: Remembers how the server wants to be asked.

        Raises:
            ProviderError: Anthropic is to be asked, and there is no key.
            UsageError: The base URL is none.
            MissingDependencyError: The SDK is not installed.
        """
        try:
            import anthropic
        except ImportError as error:
            raise MissingDependencyError.for_extra("anthropic", "anthropic") from error
        url = base_url or os.environ.get("ANTHROPIC_BASE_URL") or OWN_URL
        base_url = wire.checked_url(url).removesuffix("/v1")
        key = wire.checked_key(api_key or os.environ.get(self.key_variable, ""), self.key_variable)
        is_own = f".{wire.address_of(base_url)}".rpartition(":")[0].endswith(".anthropic.com")
        server = Server(anthropic, base_url, key or None, is_own)
        super().__init__(model, server, timeout_s=timeout_s, ladders=LADDERS, ledger=ledger)
        self.sdk_finds_key = not key and self._finds_key()
        if is_own and not key and not self.sdk_finds_key:
            raise ProviderError(
                f"{self.key_variable} is not set. Set it: export {self.key_variable}=sk-ant-..."
            )

    def _finds_key(self) -> bool:
        """Tell whether the SDK finds a token or a profile where there is no key."""
        try:
            client = self.server.sdk.AsyncAnthropic(base_url=self.server.base_url)
        except self.server.sdk.AnthropicError:  # of a profile that is none
            return False
        return any((client.api_key, client.auth_token, client.credentials))

    def _make_client(self) -> Any:
        return self.server.sdk.AsyncAnthropic(
            api_key=None if self.sdk_finds_key else self.server.key or NO_KEY,
            base_url=self.server.base_url,
            timeout=self._timeout_s,
            max_retries=0,
            http_client=wire.http_client(self.server.sdk, self._timeout_s),
        )

    def needs(self, request: ChatRequest) -> set[str]:
        return {"effort"} | ({"schema"} if request.schema is not None else set())

    def body(self, request: ChatRequest, ways: Mapping[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "max_tokens": request.max_tokens}
        output: dict[str, Any] = {} if ways["effort"] == "unsaid" else {"effort": ways["effort"]}
        user = request.user
        if request.schema is not None:
            if ways["schema"] == "output_config":
                schema = without_bounds(closed(request.schema))
                output["format"] = {"type": "json_schema", "schema": schema}
            elif ways["schema"] == "tool":
                schema = dict(request.schema)
                body["tools"] = [
                    {"name": TOOL, "description": "Gives the answer.", "input_schema": schema}
                ]
                body["tool_choice"] = {"type": "tool", "name": TOOL}
            else:
                user = described(user, request.schema)
        if output:
            body["output_config"] = output
        if request.system:
            body["system"] = request.system
        body["messages"] = [{"role": "user", "content": user}]
        return body

    def read(self, body: Mapping[str, Any], request: ChatRequest) -> ChatAnswer:
        content = body.get("content")
        blocks = [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
        finish: Finish = FINISHES.get(body.get("stop_reason"), "stop")
        text = _text(blocks)
        if not text and finish == "stop":
            raise TransientFailure("malformed", "There is no answer in the reply.")
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        n_input = counted(usage.get("input_tokens"), f"{request.system}\n{request.user}")
        for name in ("cache_creation_input_tokens", "cache_read_input_tokens"):
            n_input += counted(usage.get(name) or 0, "")
        return ChatAnswer(text, finish, n_input, counted(usage.get("output_tokens"), text))


def _text(blocks: list[dict[str, Any]]) -> str:
    """Return the answer: what a tool was called with, else the text, without the thoughts."""
    for block in blocks:
        if block.get("type") == "tool_use":
            return json.dumps(block.get("input"), ensure_ascii=False)
    return "".join(str(b.get("text") or "") for b in blocks if b.get("type") == "text")
