"""Models with a tower for questions and another for passages, in sentence-transformers' `Router`.

A model of this kind answers `encode_query` with the one and `encode_document` with the other;
plain `encode` takes the tower for passages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

QUERY, DOCUMENT = "query", "document"
"""sentence-transformers' names of the two routes, and of the tasks that take them."""


@dataclass(frozen=True, slots=True)
class Towers:
    """The two towers as models of their own; they share their weights with the whole model."""

    query: SentenceTransformer
    document: SentenceTransformer

    def of(self, task: str) -> SentenceTransformer:
        """Return the tower of a task: `QUERY` or `DOCUMENT`."""
        return self.query if task == QUERY else self.document


def towers_of(model: SentenceTransformer) -> Towers | None:
    """Return the towers of a model whose first module routes questions and passages; else None.

    Modules behind the router belong to both.
    """
    router: Any = next(iter(model), None)
    routes = getattr(router, "sub_modules", None)
    if routes is None or set(routes) != {QUERY, DOCUMENT} or router.route_mappings:
        return None
    rest = list(model)[1:]
    return Towers(_view(model, routes[QUERY], rest), _view(model, routes[DOCUMENT], rest))


def join_towers(query: SentenceTransformer, document: SentenceTransformer) -> SentenceTransformer:
    """Return one model over the modules of two, with the prompts of each for its own side."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Router

    prompts = {
        **document.prompts,
        QUERY: query.prompts.get(QUERY) or "",
        DOCUMENT: document.prompts.get(DOCUMENT) or "",
    }
    return SentenceTransformer(
        modules=[Router.for_query_document(list(query), list(document))],
        device=str(document.device),
        prompts=prompts,
        similarity_fn_name=document.similarity_fn_name,
    )


def input_modules(model: SentenceTransformer) -> list[Any]:
    """Return what tokenizes: the first module, or the first of each route."""
    routes = getattr(model[0], "sub_modules", None)
    return [model[0]] if routes is None else [route[0] for route in routes.values()]


def _view(model: SentenceTransformer, route: Any, rest: list[Any]) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    view = SentenceTransformer(
        modules=[*route, *rest],
        device=str(model.device),
        prompts=dict(model.prompts),
        similarity_fn_name=model.similarity_fn_name,
    )
    view.train(model.training)
    return view
