"""The settings file and the stages agree about what happens when nobody says anything."""

from __future__ import annotations

import inspect
from dataclasses import asdict, fields

from homing.ingestion.reading import ingest_and_chunk
from homing.pipeline import curate
from homing.pipeline.filtering import Filters
from homing.pipeline.judging import Judge
from homing.pipeline.training import training_settings
from homing.pipeline.writing import offline_writer
from homing.settings import CurateSettings, IngestSettings, TrainSettings, WriteSettings
from homing.settings.curating import OF_THE_JUDGE
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
    settings = CurateSettings().model_dump()
    of_judge = {name: settings.pop(name) for name in list(settings) if name in OF_THE_JUDGE}
    assert settings == {name: parameters[name].default for name in settings}
    assert parameters["judge"].default is of_judge["judge"] is None
    judging = inspect.signature(Judge).parameters
    assert judging["threshold"].default == of_judge["judge_threshold"]
    assert judging["several_answers"].default == of_judge["several_answers"]
    assert judging["budget_usd"].default is of_judge["judge_budget"] is None


def test_the_filters_of_curation_are_its_settings():
    settings = CurateSettings().model_dump()
    assert asdict(Filters()) == {field.name: settings[field.name] for field in fields(Filters)}


def test_ingestion_does_the_same_by_default_from_a_file_and_from_python():
    parameters = inspect.signature(ingest_and_chunk).parameters
    settings = IngestSettings()
    assert parameters["max_tokens"].default == settings.max_tokens
    assert parameters["time_limit_s"].default == settings.time_limit_s
