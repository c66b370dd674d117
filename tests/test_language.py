"""The language of a text, guessed from its script and its little words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.language import guess_language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The leave is paid for twelve weeks and it can be taken in three parts."),
        ("de", "Der Urlaub wird für zwölf Wochen bezahlt und kann in drei Teilen genommen werden."),
        ("fr", "Le congé est payé pendant douze semaines et il peut être pris dans les trois ans."),
        (
            "es",
            "La baja se paga durante doce semanas y puede disfrutarse en tres partes por los dos.",
        ),
        ("it", "Il congedo è retribuito per dodici settimane e può essere preso anche dal padre."),
        ("pt", "A licença é paga durante doze semanas e pode ser gozada em três partes pelo pai."),
        (
            "nl",
            "Het verlof wordt twaalf weken betaald en kan in drie delen worden opgenomen door de.",
        ),
        ("ru", "Отпуск оплачивается в течение двенадцати недель."),
        ("zh", "产假期间工资照发，共十二周。"),
        ("ja", "育児休業は十二週間まで有給です。"),
        ("ko", "육아휴직은 십이 주 동안 유급입니다."),
        ("", "4711 0815 3.14 → 42"),
        ("", "def f(x): return x * 2"),
        ("", ""),
    ],
)
def test_short_texts(language: str, text: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_translated_paragraphs(language: str, shared_data: Path) -> None:
    articles = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text())["data"]
    paragraphs = [p["context"] for article in articles for p in article["paragraphs"]]
    right = sum(guess_language(paragraph) == language for paragraph in paragraphs)
    assert right >= 0.98 * len(paragraphs)
