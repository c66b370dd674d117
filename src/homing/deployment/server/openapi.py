"""The routes with all that they may answer, and what a malformed request is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from homing.deployment.server import schemas
from homing.deployment.server.embeddings import TEXTS_ONLY, holds_token_ids
from homing.deployment.server.limits import Limits
from homing.deployment.server.refusals import Refusal, bad_request

ERRORS = {
    400: "The request is not sound; the message names the field.",
    401: "The API key is missing or wrong.",
    404: "There is no such model, or nothing to search or to rerank with.",
    413: "The body is too long.",
    422: "Too many texts, or one that is too long.",
    429: "The queue is full; try again after Retry-After seconds.",
    503: "The server stopped before this was done; try again.",
    500: "A defect, or a machine in trouble: see the log.",
    504: "The request took too long.",
}
Responses = dict[int | str, dict[str, Any]]
FOR_LISTS = (401, 404)
KEY = "key"
"""Name of the security scheme."""


def describe(app: FastAPI, service: Any) -> None:
    """Add the routes of a service to an application, each with all that it may answer."""
    limits, dimensions = service.handler.limits, service.model.dimensions
    for path, handler, asked, answer in (
        ("/v1/embeddings", service.embeddings, schemas.EmbeddingsRequest, schemas.EmbeddingsAnswer),
        ("/v1/search", service.search, schemas.SearchRequest, schemas.SearchAnswer),
        ("/v1/rerank", service.rerank, schemas.RerankRequest, schemas.RerankAnswer),
    ):
        app.add_api_route(
            path,
            handler,
            methods=["POST"],
            responses=_responses(answer, ERRORS),
            response_model=None,
            openapi_extra={"requestBody": request_body(asked, limits, dimensions)},
        )
    several, one = (_responses(a, FOR_LISTS) for a in (schemas.ModelsAnswer, schemas.Model))
    app.add_api_route("/v1/models", service.models, responses=several, response_model=None)
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    app.add_api_route(
        "/v1/models/{model}",
        service.model_entry,
        responses=one,
        response_model=None,
        openapi_extra={"parameters": [name]},
    )
    alive: Responses = {200: {"model": schemas.Health}}
    ready: Responses = {**alive, 503: {"model": schemas.Health, "description": ERRORS[503]}}
    app.add_api_route("/health", service.health, responses=alive, response_model=None)
    app.add_api_route("/ready", service.ready, responses=ready, response_model=None)
    app.add_api_route(
        "/metrics",
        service.prometheus,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_model=None,
    )
    _document(app, with_key=service.handler.api_key.is_set)


def request_body(
    asked: type[BaseModel], limits: Limits, dimensions: int | None = None
) -> dict[str, Any]:
    """Return a request's schema for OpenAPI, with the limits that hold here."""
    schema = asked.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    _limit(schema["properties"], limits, dimensions)
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _limit(fields: dict[str, Any], limits: Limits, dimensions: int | None) -> None:
    """Write the limits into a schema's fields."""
    if "input" in fields:
        one, several = fields["input"]["anyOf"]
        one["maxLength"] = several["items"]["maxLength"] = limits.max_characters
        several["maxItems"] = limits.max_inputs
        fields["dimensions"]["anyOf"][0]["maximum"] = dimensions
    if "query" in fields:
        fields["query"]["maxLength"] = limits.max_characters
    if "k" in fields:
        fields["k"]["maximum"] = limits.max_results
    if "documents" in fields:
        fields["documents"]["maxItems"] = limits.max_documents
        fields["documents"]["items"]["anyOf"][0]["maxLength"] = limits.max_characters


def _responses(answer: type[BaseModel], errors: Any) -> Responses:
    names = errors if isinstance(errors, Mapping) else {n: ERRORS[n] for n in errors}
    found: Responses = {
        status: {"model": schemas.ErrorAnswer, "description": text}
        for status, text in names.items()
    }
    if 429 in names:
        seconds = {
            "schema": {"type": "integer"},
            "description": "Seconds to wait.",
            "required": True,
        }
        found[429]["headers"] = {"Retry-After": seconds}
    return {200: {"model": answer, "description": (answer.__doc__ or "").strip()}, **found}


def _document(app: FastAPI, *, with_key: bool) -> None:
    """Let the application tell of its routes, and of the key where one is needed."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes
            )
            if with_key:
                scheme = {"type": "http", "scheme": "bearer"}
                found["components"]["securitySchemes"] = {KEY: scheme}
                for path, methods in found["paths"].items():
                    for operation in methods.values() if path.startswith("/v1/") else ():
                        operation["security"] = [{KEY: []}]
            app.openapi_schema = found
        schema: dict[str, Any] = app.openapi_schema
        return schema

    app.openapi = openapi


def explained(error: ValidationError, body: bytes) -> Refusal:
    """Return the refusal of a body that is not what it should be; the message names the field."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return bad_request(f"The body is no JSON: {problems[0]['msg']}.", code="invalid_json")
    if holds_token_ids(from_json(body)):
        return bad_request(TEXTS_ONLY, param="input", code="token_ids")
    first = min(problems, key=lambda problem: len(problem["loc"]))
    place = [str(step) for step in first["loc"]]
    field = place[0] if place else None
    what = f"{field}: {first['msg']}" if field else first["msg"]
    if first["type"] == "extra_forbidden":
        what = f"There is no field {field!r} here; check its name, or leave it out"
    if field == "input":
        what = "input has to be a text, or a list of texts, none of them empty"
    return bad_request(f"{what}.", param=field)
