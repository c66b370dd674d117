"""Fixtures that every test may use."""

from __future__ import annotations

import json
import os
import re
import signal
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from handbook_sentences import HANDBOOK
from s3_server import S3, UNSET, VARIABLES, running_s3

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROOT = Path(__file__).resolve().parents[1]

# A slow or busy machine is no defect: nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real documents beside the checkout; tests skip where it is absent."""
    folder = Path(os.environ.get("HOMING_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real test data not found: {folder} (set HOMING_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def handbook_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The handbook's sentences, each asked for by its own first words."""
    path = tmp_path_factory.mktemp("handbook") / "handbook.json"
    asked = {f"q-{key}": " ".join(text.split()[:4]) for key, text in HANDBOOK.items()}
    answers = {f"q-{key}": [key] for key in HANDBOOK}
    saved = {"queries": asked, "corpus": dict(HANDBOOK), "relevant_docs": answers}
    path.write_text(json.dumps(saved), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 server of this machine."""
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3]:
    """An empty S3; s3:// leads there, and copies of workspaces lie in the test's own folder."""
    from homing.storage.places import clear_file_systems

    server = S3(s3_endpoint)
    server.ask("POST", "/moto-api/reset")
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("HOMING_CACHE", str(tmp_path / "homing-cache"))
    clear_file_systems()
    yield server
    clear_file_systems()


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute as other libraries do by default, on processors with fast bfloat16 too."""
    for module in ("retrieval.encoders", "training.arguments"):
        monkeypatch.setattr(f"homing.{module}.has_fast_bf16", lambda _: False)


def _vocabulary() -> dict[str, int]:
    """Return the same 600 pieces at every run, which the tokenizers' own trainer does not."""
    words = Counter(re.findall(r"[a-z]+|[0-9]+", " ".join(HANDBOOK.values()).lower()))
    common = sorted(words, key=lambda word: (-words[word], word))
    letters = string.ascii_lowercase + string.digits
    pieces = [*SPECIAL, *letters, *(f"##{c}" for c in letters), *string.punctuation]
    pieces += [word for word in common if len(word) > 1]
    return {piece: place for place, piece in enumerate(pieces[:600])}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real sentence-transformers model of 2 layers and 32 dimensions, random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "model"
    tokenizer = Tokenizer(models.WordPiece(_vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    plain = folder.with_name("plain")
    BertModel(config).save_pretrained(plain)
    fast.save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=64)
    SentenceTransformer(
        modules=[transformer, Pooling(32, pooling_mode="mean"), Normalize()], device="cpu"
    ).save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny_reranker(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real cross-encoder of 2 layers, random weights."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("reranker")
    torch.manual_seed(5)
    config = BertConfig.from_pretrained(str(tiny_model), num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder / "plain")
    AutoTokenizer.from_pretrained(str(tiny_model)).save_pretrained(folder / "plain")
    CrossEncoder(str(folder / "plain"), device="cpu").save_pretrained(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model2vec folder: random vectors for the words of the handbook."""
    import numpy as np
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    model2vec = pytest.importorskip("model2vec")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[PAD]", "[UNK]"])
    tokenizer.train_from_iterator(HANDBOOK.values(), trainer)
    vectors = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 16))
    folder = tmp_path_factory.mktemp("static") / "model"
    model2vec.StaticModel(vectors.astype(np.float32), tokenizer).save_pretrained(folder)
    return folder
