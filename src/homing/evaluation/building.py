"""From contenders to retrievers: looked up first, all of them, then built one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from homing.dataset import Dataset
from homing.dataset.texts import texts_of
from homing.errors import UsageError
from homing.evaluation.choosing import DevScores, choose, dev_questions
from homing.evaluation.contenders import Contender
from homing.evaluation.identities import FINDERS, check_model, named, need, resolved
from homing.evaluation.specs import (
    Adapted,
    Fusion,
    Model,
    Onnx,
    OpenVino,
    Recorded,
    Reranking,
    Static,
    Words,
)
from homing.evaluation.trec import read_run
from homing.llm.embedding import EndpointEncoder
from homing.llm.endpoints import Endpoint
from homing.retrieval.adapted import AdaptedEncoder
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.onnx import load_onnx
from homing.retrieval.onnx_files import exported_parts
from homing.retrieval.openvino import load_openvino
from homing.retrieval.prompts import prompts_for
from homing.retrieval.query_map import load_adapter
from homing.retrieval.recorded import RecordedRetriever
from homing.retrieval.reranking import (
    KeptScorer,
    RerankedRetriever,
    find_reranker,
    load_reranker,
)
from homing.retrieval.static import find_static, load_static
from homing.retrieval.truncating import TruncatedEncoder
from homing.types import Encoder, Retriever, Run

Searched = Callable[[Encoder], DenseRetriever | None]
"""Returns the corpus searched by an encoder, or None for an encoder that it does not know."""


class Builder:
    """Builds the retrievers of contenders over one corpus, members before what is made of them.

    Attributes:
        built: Contender -> its retriever, of those built so far.
        chosen: Contender -> what was settled on dev, in words, for those that left it open.
    """

    def __init__(
        self,
        dataset: Dataset,
        ordered: Sequence[Contender],
        *,
        split: str | None,
        cache_folder: Path | None = None,
        max_tokens: int | None = None,
        language: str = "",
        base_url: str | None = None,
        ledger: Path | None = None,
        searched: Searched | None = None,
    ) -> None:
        """Look every contender up, so that one that cannot be had costs none of the others' time.

        Small files are read, and endpoints are asked for one vector; no model is loaded.

        Args:
            ordered: As `in_building_order` has them.
            split: The one whose questions will be asked, which decide nothing here; None for none.
            cache_folder: Where vectors are kept between runs; None keeps them in memory.
            max_tokens: Longest input of a model; None takes the model's own (512 for the default).
            language: For BM25; "" guesses.
            base_url: Where endpoints answer that name no address of their own.
            ledger: The file that keeps the vectors that endpoints were paid for; None keeps none.
            searched: Makes retrievers of encoders; what it makes none of is made here.

        Raises:
            ModelNotFoundError: A model cannot be had.
            ProviderError: An endpoint answers nothing.
            MissingDependencyError: The library of a contender is not installed.
        """
        self.built: dict[str, Retriever] = {}
        self.chosen: dict[str, str] = {}
        self._cache_folder = cache_folder
        self._max_tokens = max_tokens
        self._language = language
        self._base_url = base_url
        self._ledger = ledger
        self._searched = searched
        self._texts = texts_of(dataset)
        self._dataset = dataset
        self._runs: dict[str, Run] = {}
        self._endpoints: dict[str, EndpointEncoder] = {}
        self._fusions: dict[str, Fusion] = {}
        for contender in ordered:
            named(contender, self._look_up)
        self._n_open = sum(c.fusion is not None and c.fusion.is_open for c in ordered)
        self._dev = dev_questions(dataset, split) if self._n_open else None
        self._scores: DevScores | None = None

    def settle(self, contender: Contender) -> None:
        """Choose on dev what a contender leaves open; what it is made of is built."""
        fusion = contender.fusion
        if fusion is None or not fusion.is_open or contender.name in self.chosen:
            return
        assert self._dev is not None
        self._scores = self._scores or DevScores(self._dev, self.built)
        method, weight, words = choose(fusion, self._dev, self._scores)
        self._fusions[contender.name] = Fusion(fusion.a, fusion.b, weight, method)
        self.chosen[contender.name] = words
        self._n_open -= 1
        if not self._n_open:  # nobody else will want the members' scores
            self._scores = None

    def build(self, contender: Contender) -> Retriever:
        """Return the contender's retriever over the corpus; embeds or indexes it."""
        self.settle(contender)
        retriever = named(contender, self._build)
        self.built[contender.name] = retriever
        return retriever

    def _look_up(self, contender: Contender) -> None:
        spec = resolved(contender)
        if isinstance(spec, Model):
            check_model(spec.name)
        elif isinstance(spec, Endpoint):
            self._endpoints[contender.name] = self._endpoint(spec)
        elif isinstance(spec, Static):
            find_static(spec.name)
        elif isinstance(spec, Onnx | OpenVino):
            for part in exported_parts(spec.path):
                FINDERS[type(spec)](part)
        elif isinstance(spec, Recorded):
            path = Path(spec.path).expanduser()
            self._runs[contender.name] = read_run(path, self._dataset.passage_ids())
        elif isinstance(spec, Reranking):
            need("sentence_transformers", "sentence-transformers", "train")
            find_reranker(spec.model)
        elif isinstance(spec, Adapted):
            load_adapter(Path(spec.folder).expanduser())

    def _build(self, contender: Contender) -> Retriever:
        spec, given = resolved(contender), contender.given
        if isinstance(spec, Words):
            return BM25Retriever(self._texts, self._language)
        if isinstance(spec, Fusion):
            fusion = self._fusions.get(contender.name, spec)
            weight = 0.5 if fusion.weight is None else fusion.weight
            a, b = self.built[fusion.a], self.built[fusion.b]
            return FusedRetriever(a, b, weight, fusion.method or "z")
        if isinstance(spec, Reranking):
            scorer = KeptScorer(load_reranker(spec.model), self._cache_folder)
            return RerankedRetriever(self.built[spec.of], scorer, self._texts, spec.depth)
        if isinstance(spec, Adapted):
            return self._adapted(spec)
        if isinstance(spec, Recorded):
            asked = {query.text: query_id for query_id, query in self._dataset.queries.items()}
            return RecordedRetriever(self._runs[contender.name], asked)
        if given is not None and not isinstance(given, Encoder):
            return given
        folder = self._cache_folder
        if isinstance(spec, Endpoint) and self._ledger is not None:
            folder = None  # the ledger keeps its vectors already
        encoder = given or self._encoder(contender)
        if isinstance(encoder, TruncatedEncoder):
            # What is kept is whole: the same vectors serve every length.
            whole = CachedEncoder(encoder.encoder, folder)
            return self._dense(TruncatedEncoder(whole, encoder.dimensions))
        return self._dense(CachedEncoder(encoder, folder))

    def _dense(self, encoder: Encoder) -> DenseRetriever:
        made = self._searched(encoder) if self._searched else None
        return made or DenseRetriever(encoder, self._texts)

    def _encoder(self, contender: Contender) -> Encoder:
        parsed = contender.parsed
        if isinstance(parsed, Model) and parsed.dimensions is not None:
            whole = Contender(contender.name, parsed.name)
            return TruncatedEncoder(self._encoder(whole), parsed.dimensions)
        spec, max_tokens = resolved(contender), self._max_tokens
        if isinstance(spec, Endpoint):
            return self._endpoints[contender.name]
        if isinstance(spec, Static):
            return load_static(spec.name, max_tokens)
        if isinstance(spec, Onnx):
            return load_onnx(spec.path, max_tokens)
        if isinstance(spec, OpenVino):
            return load_openvino(spec.path, max_tokens)
        assert isinstance(spec, Model)
        return encoder_for(spec.name, max_tokens=max_tokens)

    def _endpoint(self, spec: Endpoint) -> EndpointEncoder:
        family = prompts_for(spec.model, {})
        return spec.encoder(
            query_prompt=family.query,
            passage_prompt=family.passage,
            base_url=self._base_url,
            ledger=self._ledger,
        )

    def _adapted(self, spec: Adapted) -> DenseRetriever:
        """Return a retriever over the passages' vectors of the contender that is adapted."""
        member, adapter = self.built[spec.of], load_adapter(Path(spec.folder).expanduser())
        if not isinstance(member, DenseRetriever):
            raise UsageError(
                f"{spec.of} is no embedding model, so there is nothing to adapt. The adapter in "
                f"{spec.folder} was made for {adapter.base_model}."
            )
        adapted = AdaptedEncoder(member.encoder, adapter)
        return DenseRetriever(adapted, self._texts, member.vectors, member.find)


def kept_folders(retrievers: Iterable[Retriever]) -> set[Path]:
    """Return the folders in which retrievers keep vectors, or a reranker what it said of pairs."""
    folders: set[Path] = set()
    for retriever in retrievers:
        encoder = retriever.encoder if isinstance(retriever, DenseRetriever) else None
        while isinstance(encoder, TruncatedEncoder):
            encoder = encoder.encoder
        if isinstance(encoder, CachedEncoder):
            folders.update(encoder.kept_in)
        elif isinstance(retriever, RerankedRetriever) and retriever.folder is not None:
            folders.add(retriever.folder)
    return folders
