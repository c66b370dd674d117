"""What the providers behind an HTTP API have in common; `openai.py` and `anthropic.py` fill it in.

A call goes through the SDK's client (its keys, headers, proxies and connections) but not through
its typed methods: its body is read as plain JSON, which is 1.3 ms of one core a call, not 2.3 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

from homing.llm import wire
from homing.llm.ledger import Ledger
from homing.llm.manners import Ladder, Manners
from homing.llm.provider import (
    ChatAnswer,
    ChatRequest,
    EmbeddingAnswer,
    EmbeddingRequest,
    FailureKind,
    ProviderError,
    RequestRefused,
    TransientFailure,
)
from homing.llm.tokens import estimate_tokens
from homing.types import content_id

MAX_UNREACHED = 5
MAX_REFUSED = 3
MAX_MODELS_NAMED = 10
OUT_OF_MONEY = ("insufficient_quota", "insufficient_balance", "billing")
"""In codes alone: some messages speak of billing where only the rate is too high."""
NO_SUCH_MODEL = ("model_not_found", "invalid_model")
ABOUT_THE_REQUEST = (
    "context_length",
    "context length",
    "context size",
    "too long",
    "too large",
    "content_filter",
    "content_policy",
    "content management policy",
    "input length",
    "tokens per request",
    "batch size",
)
"""Errors that say nothing about the next request."""
TOO_LARGE = "too large to process"
"""What llama.cpp says of a long text, as an error of its own."""
OLLAMA_PORT = ":11434"

Request = TypeVar("Request", ChatRequest, EmbeddingRequest)
Answer = TypeVar("Answer", ChatAnswer, EmbeddingAnswer)


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, with what SDK and what key; `is_own` is whether that is the maker's own."""

    sdk: Any
    base_url: str
    key: str | None = field(repr=False)
    is_own: bool


class RemoteProvider(Generic[Request, Answer]):
    """Asks a model behind an HTTP API; for chats it implements `Provider`.

    May be used in several event loops one after another: each has its own connections, which are
    closed with it. Batches ask the same server by other means, and are told by this one how.

    Attributes:
        name: Kind and model, such as "openai:gpt-5-mini".
        address: Host and port of the server, as messages show it.
        manners: How the server wants to be asked, as far as it is known.
    """

    kind: ClassVar[str]
    key_variable: ClassVar[str]
    path: ClassVar[str]
    models_path: ClassVar[str]
    ability: ClassVar[str] = "answers chats"

    def __init__(
        self,
        model: str,
        server: Server,
        *,
        timeout_s: float,
        ladders: Sequence[Ladder],
        ledger: Ledger | None,
    ) -> None:
        self.name = f"{self.kind}:{model}"
        self.model = model
        self.server = server
        self.address = wire.address_of(server.base_url)
        self.manners = Manners(content_id(server.base_url, model), ladders, ledger)
        self._timeout_s = timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._holder: AsyncGenerator[Any, None] | None = None
        self._has_answered = self._has_replied = False
        self._n_unreached = self._n_refused = 0

    def _make_client(self) -> Any:
        """Return the SDK's client."""
        raise NotImplementedError

    def needs(self, request: Request) -> set[str]:
        """Return the names of the ladders that a request has to do with."""
        raise NotImplementedError

    def body(self, request: Request, ways: Mapping[str, str]) -> dict[str, Any]:
        """Return the body of a request, asked in these ways."""
        raise NotImplementedError

    def read(self, body: Mapping[str, Any], request: Request) -> Answer:
        """Return the answer in the body of a reply, or raise `TransientFailure`."""
        raise NotImplementedError

    async def ask(self, request: Request) -> Answer:
        """Return the answer of one try; see `Provider.ask`."""
        client = await self._connected()
        needs = self.needs(request)
        if not self.manners.know(needs):
            # One finds out how the server wants to be asked; the others would only repeat it.
            async with self._finding_out:
                if not self.manners.know(needs):
                    return await self._ask(client, request, needs)
        return await self._ask(client, request, needs)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        if self._holder is not None and self._loop is asyncio.get_running_loop():
            await self._holder.aclose()
        self._loop = self._holder = None

    async def _connected(self) -> Any:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._holder = self._open()
            self._client = await anext(self._holder)
            self._finding_out = asyncio.Lock()
            self._loop = loop
        return self._client

    async def _open(self) -> AsyncGenerator[Any, None]:
        """Yield a client; the end of an event loop closes its generators, and so the client."""
        client = self._make_client()
        try:
            yield client
        finally:
            await client.close()

    async def _ask(self, client: Any, request: Request, needs: set[str]) -> Answer:
        began = time.monotonic()
        while True:
            ways = self.manners.ways()
            status, headers, content = await self._post(client, self.body(request, ways))
            if status < 300:
                break
            codes, message = wire.error_of(content)
            said = f"{codes} {message}"
            if status not in (400, 422) or not self.manners.refused(ways, needs, said):
                raise await self._error(client, status, headers, codes, message)
        body = wire.read_json(content)
        if isinstance(body.get("error"), dict):  # some gateways send errors with the status 200
            codes, message = wire.error_of(content)
            kind: FailureKind = "rate_limit" if "429" in codes.split() else "server"
            raise TransientFailure(kind, self.shown(message))
        answer = self.read(body, request)
        self._has_answered = True
        self.manners.took(ways, needs)
        return replace(answer, seconds=time.monotonic() - began)

    async def _post(
        self, client: Any, body: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of the reply.

        Raises:
            TransientFailure: There is no whole reply.
            ProviderError: No server has ever been there.
        """
        import httpx2

        try:
            reply = await client.post(self.path, body=body, cast_to=httpx2.Response)
        except self.server.sdk.APIStatusError as error:
            reply = error.response
        except self.server.sdk.APITimeoutError as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                raise self._unreached(error) from None
            raise TransientFailure("timeout", "No answer in time.") from None
        except self.server.sdk.APIConnectionError as error:
            if isinstance(error.__cause__, TransientFailure):  # from `wire`, on its way through
                raise error.__cause__ from None
            if isinstance(error.__cause__, httpx2.ConnectError):
                raise self._unreached(error) from None
            raise TransientFailure("connection", self.cause(error)) from None
        self._has_replied = True
        return reply.status_code, reply.headers, reply.content

    def _unreached(self, error: Exception) -> TransientFailure | ProviderError:
        """Return the error for a connection that was not made."""
        self._n_unreached += 1
        if self._has_replied or self._n_unreached < MAX_UNREACHED:
            return TransientFailure("connection", self.cause(error))
        return ProviderError(
            f"No server at {self.address} answers ({self.cause(error)}). Start it, or check the "
            "address (--base-url) and the network."
        )

    async def _error(
        self, client: Any, status: int, headers: Mapping[str, str], codes: str, message: str
    ) -> Exception:
        """Return the error for a reply that is none of the wanted kind."""
        shown = self.shown(message) or f"HTTP status {status}."
        wait_s = wire.retry_after_s(headers, time.time())
        if is_out_of_money(status, codes, message):
            return ProviderError(
                f"The account at {self.address} has nothing left to spend: {shown} Add credit "
                "there and run the same command again; what was answered is kept."
            )
        if status in (401, 403):
            return self.key_error(status)
        if status == 404 or any(code in codes for code in NO_SUCH_MODEL):
            return await self._not_found(client, shown)
        if status == 429:
            return TransientFailure("rate_limit", shown, wait_s)
        is_too_large = status == 500 and TOO_LARGE in message
        if (status >= 500 and not is_too_large) or status in (408, 409, 425):
            return TransientFailure("server", shown, wait_s)
        if status == 413 or any(w in f"{codes} {message}".lower() for w in ABOUT_THE_REQUEST):
            return RequestRefused(shown)
        self._n_refused += 1
        if not self._has_answered and self._n_refused >= MAX_REFUSED:
            return ProviderError(
                f"{self.address} refuses every request: {shown} Check the name of the model, "
                f"and whether it is one that {self.ability}."
            )
        return RequestRefused(shown)

    def key_error(self, status: int) -> ProviderError:
        if self.server.key is None:
            return ProviderError(
                f"{self.address} wants a key, and {self.key_variable} is not set. Set it: "
                f"export {self.key_variable}=..."
            )
        refused = "does not accept the key" if status == 401 else "does not let the key in"
        return ProviderError(
            f"{self.address} {refused} in {self.key_variable} (status {status}). Check that the "
            f"variable holds a valid key that may use {self.model}: export {self.key_variable}=..."
        )

    async def _not_found(self, client: Any, shown: str) -> ProviderError:
        """Return the error for a model, or a whole API, that is not there."""
        names = await self._models(client)
        if names is None or self.model in names:
            return ProviderError(
                f"{self.address} has no {self.path.strip('/')} for {self.model}: {shown} Check "
                "the address (--base-url; most end in /v1) and the name of the model."
            )
        remedy = "Choose one that it has."
        if self.address.endswith(OLLAMA_PORT):
            remedy = f"Get it with: ollama pull {self.model}"
        more = f" and {len(names) - MAX_MODELS_NAMED} more" * (len(names) > MAX_MODELS_NAMED)
        has = f"It has {', '.join(names[:MAX_MODELS_NAMED])}{more}." if names else "It has none."
        return ProviderError(f"{self.address} has no model {self.model}. {has} {remedy}")

    async def _models(self, client: Any) -> list[str] | None:
        """Return the names of the models that the server lists, None if it lists none."""
        import httpx2

        try:
            reply = await client.get(self.models_path, cast_to=httpx2.Response)
            listed = wire.read_json(reply.content).get("data")
        except (self.server.sdk.APIError, TransientFailure):
            return None
        if not isinstance(listed, list):
            return None
        return sorted(str(model["id"]) for model in listed if "id" in model)

    def shown(self, message: str) -> str:
        """Return what a server said as it may be shown: without the key, as a sentence."""
        if self.server.key:
            message = message.replace(self.server.key, "***")
        return f"{message}." if message and message[-1] not in ".!?" else message

    def cause(self, error: Exception) -> str:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the SDK and its transport wrap each in its own way
            cause = cause.__cause__
        return self.shown(f"{type(cause).__name__}: {cause}").rstrip(".")


def counted(value: Any, text: str) -> int:
    """Return how many tokens a server says it counted, an estimate where it does not say."""
    is_counted = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_counted else estimate_tokens(text)


def is_out_of_money(status: int, codes: str, message: str) -> bool:
    has_code = status in (400, 403, 429) and any(word in codes for word in OUT_OF_MONEY)
    return status == 402 or has_code or (status == 400 and "credit balance" in message)
