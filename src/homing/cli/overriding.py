"""What was given on the command line, as the settings that it overrides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from homing.errors import UsageError
from homing.storage import absolute

SEEDS = ("write.seed", "curate.seed", "train.seed", "evaluate.seed")


def overrides(
    settings: Iterable[str] | None = None, *, seed: int | None = None, **flags: object
) -> dict[str, Any]:
    """Return dotted setting -> value of what was given on the command line.

    Args:
        settings: "NAME=VALUE" texts of --set; the value is read as YAML. They win over flags.
        seed: Sets every seed there is.
        flags: Setting with "__" for the dot -> value, None where the flag was not given. Paths
            become absolute, since the settings are kept for later runs from anywhere. A null of
            --set is kept: it unsets.

    Raises:
        UsageError: A text of --set is not NAME=VALUE.
    """
    values: dict[str, Any] = dict.fromkeys(SEEDS, seed)
    for name, value in flags.items():
        kept = str(Path(value).expanduser().absolute()) if isinstance(value, Path) else value
        values[name.replace("__", ".")] = kept
    values = {name: value for name, value in values.items() if value is not None}
    for text in settings or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set takes NAME=VALUE, such as train.epochs=2, not {text!r}.")
        values[name.strip()] = _read_value(value)
    return values


def writing(
    *,
    writer: str | None,
    base_url: str | None,
    max_passages: int | None,
    prompt: str | None,
    examples: Path | None,
    budget: float | None,
    batch: bool | None,
    ledger: Path | None,
) -> dict[str, Any]:
    """Return the flags of writing as `overrides` takes them."""
    return {
        "write__writer": writer,
        "write__base_url": base_url,
        "write__max_passages": max_passages,
        "write__prompt": prompt_setting(prompt),
        "write__examples": examples,
        "write__budget": budget,
        "write__batch": batch,
        "write__ledger": ledger,
    }


def engine(*, name: str | None, address: str | None, workers: int | None) -> dict[str, Any]:
    """Return the flags of the engine as `overrides` takes them; an address means Ray."""
    if address is not None and name is None:
        name = "ray"
    return {"engine__name": name, "engine__address": address, "engine__workers": workers}


def judging(
    *,
    judge: str | None,
    base_url: str | None,
    threshold: int | None,
    budget: float | None,
    several_answers: int | None,
) -> dict[str, Any]:
    """Return the flags of judging as `overrides` takes them."""
    return {
        "curate__judge": judge,
        "curate__judge_base_url": base_url,
        "curate__judge_threshold": threshold,
        "curate__judge_budget": budget,
        "curate__several_answers": several_answers,
    }


def dimensions_setting(text: str | None) -> list[int] | None:
    """Return the lengths of vectors that a text lists, None where there is none.

    Raises:
        UsageError: One is no whole number.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--dimensions takes whole numbers, such as 256,128,64, not {text!r}.")
    return [int(part) for part in parts]


def prompt_setting(prompt: str | None) -> str | None:
    """Return a prompt file's absolute path, or the name of a prompt that comes with Homing."""
    if prompt is None or not Path(prompt).expanduser().is_file():
        return prompt
    return str(Path(prompt).expanduser().absolute())


def absolute_sources(sources: Iterable[str] | None) -> list[str] | None:
    """Return files, folders and globs as absolute paths or URIs, None if there are none."""
    return [absolute(source) for source in sources or ()] or None


def general_sets(specs: Iterable[str] | None) -> list[str] | None:
    """Return general sets with the paths among them absolute, None if none was named."""
    found = [(spec, Path(spec).expanduser()) for spec in specs or ()]
    return [str(path.absolute()) if path.exists() else spec for spec, path in found] or None


def _read_value(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
