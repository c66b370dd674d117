"""Settings of a whole job. Only the CLI and the pipeline know them; stages take plain keywords."""

from homing.settings.curating import CurateSettings
from homing.settings.engine import EngineSettings
from homing.settings.model import (
    DEFAULT_BASE_MODEL,
    EvaluateSettings,
    IngestSettings,
    Settings,
    TrainSettings,
)
from homing.settings.section import Section
from homing.settings.writing import WriteSettings
from homing.settings.yaml_file import dump_settings, load_settings, starter_yaml

__all__ = [
    "DEFAULT_BASE_MODEL",
    "CurateSettings",
    "EngineSettings",
    "EvaluateSettings",
    "IngestSettings",
    "Section",
    "Settings",
    "TrainSettings",
    "WriteSettings",
    "dump_settings",
    "load_settings",
    "starter_yaml",
]
