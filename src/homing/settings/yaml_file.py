"""One commented YAML file: read with errors that name the line, written so that it reads back."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from homing.errors import UsageError
from homing.settings.model import Settings
from homing.settings.section import Section
from homing.storage import absolute, is_remote, local_path, shown

COMMENT_WIDTH = 88


def load_settings(
    path: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings of a YAML file with `overrides` on top, or the defaults without a file.

    Args:
        path: A homing.yaml; relative paths in it are taken from its own folder. None: no file.
        overrides: Dotted name to value, such as {"train.epochs": 2}; None unsets what a file sets.

    Raises:
        UsageError: The file cannot be read, a key is unknown or a value out of range; the message
            names file, line and the nearest known key.
    """
    values: dict[str, Any] = {}
    lines: dict[tuple[str, ...], int] = {}
    if path is not None:
        values, lines = _read_yaml(Path(path))
        values = _with_absolute_paths(values, Path(path).resolve().parent)
    given = {tuple(name.split(".")): value for name, value in (overrides or {}).items()}
    for keys, value in given.items():
        values = _with_value(values, keys, value)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(
            "\n".join(_explain(detail, path, lines, given) for detail in error.errors())
        ) from None


def starter_yaml() -> str:
    """Return a homing.yaml with every setting at its default, explained by comments."""
    return dump_settings(Settings())


def dump_settings(settings: Settings) -> str:
    """Return commented YAML that `load_settings` reads back to equal settings."""
    head = "# Settings of a Homing job. Use it with: homing run --config homing.yaml --out tuned/"
    return "\n".join([head, *_yaml_lines(settings, indent="")]) + "\n"


def _yaml_lines(section: Section, indent: str) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield ""
            yield from _comment((type(value).__doc__ or "").strip(), indent)
            yield f"{indent}{name}:"
            yield from _yaml_lines(value, indent + "  ")
            continue
        yield from _comment(field.description or "", indent)
        plain = list(value) if isinstance(value, tuple) else value
        yield f"{indent}{name}: {_flow(plain)}"


def _flow(value: object) -> str:
    """Return a value in one line of YAML that reads back the same."""
    # PyYAML writes some line breaks as they are and reads them back with blanks after them.
    for as_is in (True, False):
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=as_is)
        if not set("\x85\u2028\u2029") & set(text):
            break
    return text.removesuffix("\n...\n").strip()


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(text, COMMENT_WIDTH, initial_indent=start, subsequent_indent=start)


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise UsageError(
            f"No settings file at {path}. Write one with: homing init {path}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the settings file {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold settings such as 'train:', not a {_kind(values)}.")
    # A section whose every line is commented out reads as nothing, and means its defaults.
    known = {name: value for name, value in values.items() if value is not None}
    return known, dict(_key_lines(node, ()))


def _key_lines(
    node: yaml.Node | None, at: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _key_lines(value, here)


def _with_absolute_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `values` with relative paths taken from the folder of the settings file."""
    result = dict(values)
    if isinstance(sources := result.get("sources"), str):
        result["sources"] = [sources]
    if isinstance(sources := result.get("sources"), list):
        result["sources"] = [
            absolute(source) if is_remote(source) else str(folder / local_path(source))
            for source in map(str, sources)
        ]
    for name in ("test_questions", "train_questions"):
        if isinstance(value := result.get(name), str):
            result[name] = _local(name, value, folder)
    evaluate = result.get("evaluate")
    if isinstance(evaluate, dict) and isinstance(general := evaluate.get("general"), list):
        paths_or_names = [(str(spec), folder / Path(str(spec)).expanduser()) for spec in general]
        found = [str(path) if path.exists() else name for name, path in paths_or_names]
        result["evaluate"] = {**evaluate, "general": found}
    if isinstance(write := result.get("write"), dict):
        paths = {
            name: _local(f"write.{name}", write[name], folder)
            for name in ("examples", "ledger", "prompt")
            if isinstance(write.get(name), str)
        }
        if "prompt" in paths and not Path(paths["prompt"]).is_file():
            del paths["prompt"]  # the name of a prompt that comes with Homing
        result["write"] = {**write, **paths}
    return result


def _local(name: str, value: str, folder: Path) -> str:
    """Return an absolute path.

    Raises:
        UsageError: It is a URI.
    """
    if is_remote(value):
        raise UsageError(
            f"{name}: {shown(value)} has to be a path of this machine. Documents and workspaces "
            "alone may lie elsewhere: copy it first."
        )
    return str(folder / local_path(value))


def _with_value(values: Mapping[str, Any], parts: Sequence[str], value: object) -> dict[str, Any]:
    if len(parts) == 1:
        return {**values, parts[0]: value}
    inner = values.get(parts[0]) or {}
    if not isinstance(inner, Mapping):
        raise UsageError(f"'{parts[0]}' must hold settings, not a {_kind(inner)}.")
    return {**values, parts[0]: _with_value(inner, parts[1:], value)}


def _explain(
    detail: ErrorDetails,
    path: str | Path | None,
    lines: Mapping[tuple[str, ...], int],
    given: Collection[tuple[str, ...]],
) -> str:
    """Return one line: where, which setting, what is wrong, and the nearest known key.

    Args:
        given: What did not come from the file, and has no line there.
    """
    at = tuple(str(part) for part in detail["loc"])
    upwards = [at[:n] for n in range(len(at), 0, -1)]
    keys = next((keys for keys in upwards if keys in lines), None)
    where = f"{path}, line {lines[keys]}: " if keys and not set(upwards) & set(given) else ""
    name = ".".join(at)
    if detail["type"] == "extra_forbidden":
        return f"{where}unknown setting '{name}'.{_nearest(at)}"
    if detail["type"] == "model_type":
        return f"{where}'{name}' must hold settings, each on a line of its own below it."
    problem = detail["msg"].removeprefix("Value error, ")
    problem = problem.replace("Input should be", "it should be", 1)
    secret = isinstance(detail["input"], dict) or (at[-1:] and at[-1].endswith("base_url"))
    shown = "…" if secret else detail["input"]
    return f"{where}'{name}' cannot be {shown!r}: {problem[0].lower()}{problem[1:]}."


def _nearest(at: tuple[str, ...]) -> str:
    from rapidfuzz import process

    known = list(_known_keys())
    same_section = [key for key in known if key[:-1] == at[:-1]]
    for candidates, cutoff in ((same_section, 60), (known, 70)):
        by_word = {key[-1]: key for key in candidates}
        if best := process.extractOne(at[-1], list(by_word), score_cutoff=cutoff):
            return f" Did you mean '{'.'.join(by_word[best[0]])}'?"
    return f" Known here: {', '.join(key[-1] for key in same_section)}." if same_section else ""


def _known_keys() -> Iterator[tuple[str, ...]]:
    for name, field in Settings.model_fields.items():
        yield (name,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for inner in field.annotation.model_fields:
                yield (name, inner)


def _kind(value: object) -> str:
    names = {list: "list", str: "text", int: "number", float: "number", bool: "yes or no"}
    return names.get(type(value), type(value).__name__)
