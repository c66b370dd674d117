"""Settings cannot change once read, and say which of them decide the result."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from homing.settings import EngineSettings, IngestSettings, Settings


def test_settings_cannot_be_changed_once_read():
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.train.epochs = 5  # type: ignore[misc]


def test_more_workers_do_not_make_another_result():
    assert EngineSettings(workers=1).affecting_result() == EngineSettings().affecting_result()


def test_shorter_passages_do_make_another_result():
    shorter = IngestSettings(max_tokens=64)
    assert shorter.affecting_result() != IngestSettings().affecting_result()
