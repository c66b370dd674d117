"""Where the work is done; it decides how fast a result is there, never what it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from homing.settings.section import NO_EFFECT, Section


class EngineSettings(Section):
    """Where the work is done: on this machine or on a cluster."""

    name: Literal["local", "ray"] = Field(
        "local",
        description="local (processes of this machine) or ray (a Ray cluster).",
        json_schema_extra=NO_EFFECT,
    )
    address: str | None = Field(
        None,
        description='Of the Ray cluster: "auto" on one of its nodes, or HEAD:6379; null '
        "starts Ray on this machine.",
        json_schema_extra=NO_EFFECT,
    )
    workers: int = Field(
        0,
        ge=0,
        description="Workers at the same time; 0 means one for each processor core, of this "
        "machine or of the cluster.",
        json_schema_extra=NO_EFFECT,
    )
    train_workers: int = Field(
        0,
        ge=0,
        description="Workers that train one model together on a Ray cluster; 0 means one for each "
        "GPU, and without GPUs one for each machine.",
        json_schema_extra=NO_EFFECT,
    )
