"""What every verb shares: its common options, its answer on stdout, its errors and exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from homing.errors import HomingError, UsageError
from homing.ranks import is_main, n_ranks

EXIT_CODES = {
    0: "done",
    1: "failed: a full disk, a defect, a stage that could not go on",
    2: "wrong usage: an option, a setting or a path",
    3: "with --gate: nothing is better than the baseline",
    4: "with --gate: the questions are too few to tell",
    5: "nothing to do: no readable file, too few questions",
    6: "another job is working in the workspace",
    7: "the base model cannot be had",
    8: "a language model's provider answers nothing: key, model, account or server",
    9: "a library of an extra is not installed",
    10: "the hub does not take the model: token, name, network",
    130: "stopped with Ctrl-C; the same command continues",
}
INTERRUPTED = 130
OF_SEVERAL_PROCESSES = "train"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress and no messages.")
]


@dataclass
class Answer:
    """What a verb found: `data` for programs, `text` for people, `exit_code` for scripts."""

    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    exit_code: int = 0


@contextmanager
def answering(*, json_output: bool, quiet: bool) -> Iterator[Answer]:
    """Give an `Answer` to fill in; it is printed when the block ends well.

    While the block runs, what libraries print to stdout goes to stderr.
    """
    from homing import progress

    progress.configure(quiet=quiet or not is_main())
    if quiet or not sys.stderr.isatty():
        # The libraries' own bars, which would fill a log file with half lines.
        os.environ.setdefault("TQDM_DISABLE", "1")
    answer = Answer()
    with redirect_stdout(sys.stderr):
        yield answer
    if not is_main():
        return
    if json_output:
        print(json.dumps(dict(answer.data), indent=2, ensure_ascii=False))
    elif answer.text:
        print(answer.text)


def run_cli(app: Callable[..., Any], arguments: list[str]) -> int:
    """Return the exit code of one command; its errors are printed, never raised.

    With HOMING_DEBUG=1 every error comes with its traceback. With --json an error is also the one
    JSON object on stdout: {"error": {"kind", "message", "exit_code"}}.
    """
    if n_ranks() > 1 and arguments[:1] != [OF_SEVERAL_PROCESSES]:
        message = (
            f"{n_ranks()} processes were launched, but homing {OF_SEVERAL_PROCESSES} alone is "
            "shared between several. Run the other verbs without the launcher."
        )
        return _complain(UsageError(message), UsageError(message), arguments)
    usage_error: Any = typer.BadParameter.__bases__[0]  # Typer's own, or Click's before 0.20
    try:
        code = app(args=arguments, prog_name="homing", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer makes this of Ctrl-C by itself
            return _interrupted(arguments)
        return code if isinstance(code, int) else 0
    except usage_error as error:
        error.show()
        return _failed("UsageError", error.format_message(), 2, arguments)
    except HomingError as error:
        return _complain(error, error, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except BrokenPipeError:
        # Whoever read us has closed the pipe; Python would complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        from homing.storage.errors import is_of_a_store, storage_error
        from homing.workspace import disk_error

        if is_of_a_store(error):
            return _complain(storage_error(error, "A remote file"), error, arguments)
        if typed := disk_error(error, error.filename or "the output"):
            return _complain(typed, error, arguments)
        return _report_defect(error, arguments)
    except Exception as error:
        return _report_defect(error, arguments)


def _interrupted(arguments: list[str]) -> int:
    message = "stopped; the same command continues where it was"
    print(f"\nhoming: {message}", file=sys.stderr)
    return _failed("Interrupted", message, INTERRUPTED, arguments)


def _complain(error: HomingError, cause: BaseException, arguments: list[str]) -> int:
    if os.environ.get("HOMING_DEBUG"):
        import traceback

        traceback.print_exception(cause)
    print(f"homing: {error}", file=sys.stderr)
    return _failed(type(error).__name__, str(error), error.exit_code, arguments)


def _report_defect(error: Exception, arguments: list[str]) -> int:
    """Say that this should not have happened, and keep the traceback in a file."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if os.environ.get("HOMING_DEBUG"):
        print(text, file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="homing-", suffix=".traceback.txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"homing {' '.join(arguments)}\n\n{text}")
        where = f"Its traceback is in {file.name}: please report it with that file."
    except OSError:
        where = f"Please report it with this traceback:\n{text}"
    print(f"homing: unexpected {what}\nThis is a defect of Homing. {where}", file=sys.stderr)
    return _failed(type(error).__name__, what, 1, arguments)


def _failed(kind: str, message: str, code: int, arguments: list[str]) -> int:
    if "--json" in arguments:
        error = {"kind": kind, "message": message, "exit_code": code}
        print(json.dumps({"error": error}, indent=2, ensure_ascii=False))
    return code
