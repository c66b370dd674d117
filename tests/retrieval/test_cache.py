"""Vectors kept between runs: only what is new is embedded, damage costs time alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.retrieval import cache
from homing.retrieval.cache import CachedEncoder
from homing.types import Encoder


class CountingEncoder:
    """Unit vectors from letter counts; notes every text that it was asked for."""

    dimensions = 26

    def __init__(self, key: str = "letters-1") -> None:
        self.key = key
        self.asked: list[str] = []

    def _encode(self, texts, shift):
        self.asked.extend(texts)
        table = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts])
        table = np.roll(table + 0.1, shift, axis=1).astype(np.float32)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    def encode_queries(self, texts):
        return self._encode(texts, 1)

    def encode_passages(self, texts):
        return self._encode(texts, 0)


TEXTS = ["parental leave", "sick pay", "travel costs"]


def test_a_second_run_embeds_only_what_is_new(tmp_path: Path):
    first = CachedEncoder(CountingEncoder(), tmp_path).encode_passages(TEXTS)
    encoder = CountingEncoder()
    again = CachedEncoder(encoder, tmp_path).encode_passages(["pension", *TEXTS])
    assert encoder.asked == ["pension"]
    assert np.array_equal(again[1:], first)
    assert isinstance(CachedEncoder(encoder), Encoder)


def test_questions_and_passages_of_the_same_words_are_kept_apart(tmp_path: Path):
    cached = CachedEncoder(CountingEncoder(), tmp_path)
    as_query, as_passage = cached.encode_queries(TEXTS), cached.encode_passages(TEXTS)
    assert not np.array_equal(as_query, as_passage)
    assert np.array_equal(
        CachedEncoder(CountingEncoder(), tmp_path).encode_queries(TEXTS), as_query
    )


def test_another_model_shares_nothing(tmp_path: Path):
    CachedEncoder(CountingEncoder("letters-1"), tmp_path).encode_passages(TEXTS)
    other = CountingEncoder("letters-2")
    CachedEncoder(other, tmp_path).encode_passages(TEXTS)
    assert other.asked == TEXTS


def test_a_text_that_comes_twice_is_embedded_once():
    encoder = CountingEncoder()
    vectors = CachedEncoder(encoder).encode_passages(["pay", "leave", "pay"])
    assert encoder.asked == ["pay", "leave"]
    assert np.array_equal(vectors[0], vectors[2])


def test_without_a_folder_memory_serves():
    encoder = CountingEncoder()
    cached = CachedEncoder(encoder)
    cached.encode_queries(TEXTS)
    cached.encode_queries(TEXTS)
    assert encoder.asked == TEXTS


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_part_is_ignored_and_said(tmp_path: Path, damage: str, capsys):
    right = CachedEncoder(CountingEncoder(), tmp_path).encode_passages(TEXTS)
    (part,) = tmp_path.rglob("part-*.npz")
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    part.write_bytes({"cut": bytes(raw[: len(raw) // 2]), "flip": bytes(raw), "empty": b""}[damage])
    encoder = CountingEncoder()
    assert np.array_equal(CachedEncoder(encoder, tmp_path).encode_passages(TEXTS), right)
    assert encoder.asked == TEXTS
    assert "damaged" in capsys.readouterr().err


def test_a_crash_costs_at_most_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "TEXTS_IN_PART", 2)

    class Crashing(CountingEncoder):
        def encode_passages(self, texts):
            if "travel costs" in texts:
                raise KeyboardInterrupt
            return super().encode_passages(texts)

    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(Crashing(), tmp_path).encode_passages(TEXTS)
    encoder = CountingEncoder()
    CachedEncoder(encoder, tmp_path).encode_passages(TEXTS)
    assert encoder.asked == ["travel costs"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(tmp_path: Path, capsys):
    (tmp_path / "taken").write_text("a file, not a folder")
    vectors = CachedEncoder(CountingEncoder(), tmp_path / "taken").encode_passages(TEXTS)
    assert vectors.shape == (3, 26)
    assert "going on without" in capsys.readouterr().err


def test_nothing_to_embed_gives_an_empty_table():
    assert CachedEncoder(CountingEncoder()).encode_passages([]).shape == (0, 26)
