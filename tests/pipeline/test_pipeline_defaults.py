"""The settings file and the stages agree about what happens when nobody says anything."""

from __future__ import annotations

import inspect
from dataclasses import fields

from homing.ingestion.reading import ingest_and_chunk
from homing.pipeline import curate
from homing.pipeline.training import training_settings
from homing.pipeline.writing import offline_writer
from homing.settings import CurateSettings, IngestSettings, TrainSettings, WriteSettings
from homing.training.settings import TrainingSettings
from homing.writing.extractive import ExtractiveWriter


def test_training_does_the_same_by_default_from_a_file_and_from_python():
    assert training_settings(TrainSettings()) == TrainingSettings()


def test_every_setting_of_training_can_be_set_in_the_file():
    assert {f.name for f in fields(TrainingSettings)} <= set(TrainSettings.model_fields)


def test_the_writer_does_the_same_by_default_from_a_file_and_from_python():
    assert vars(offline_writer(WriteSettings())) == vars(ExtractiveWriter())


def test_curation_does_the_same_by_default_from_a_file_and_from_python():
    parameters = inspect.signature(curate).parameters
    assert CurateSettings().model_dump() == {
        name: parameters[name].default for name in CurateSettings.model_fields
    }


def test_ingestion_does_the_same_by_default_from_a_file_and_from_python():
    parameters = inspect.signature(ingest_and_chunk).parameters
    settings = IngestSettings()
    assert parameters["max_tokens"].default == settings.max_tokens
    assert parameters["time_limit_s"].default == settings.time_limit_s
