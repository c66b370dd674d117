"""Verbs on a workspace that lies in a bucket: they get the copy on this machine in its place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from homing.pipeline.remote_ledger import ledger_kept
from homing.storage import Place, is_remote
from homing.workspace import copied

Given = ParamSpec("Given")
Value = TypeVar("Value")


@contextmanager
def copy_of(place: Place, *, write: bool) -> Iterator[Place]:
    """Give the copy of a remote workspace; any other place as it is.

    Args:
        write: Whether what the block makes goes there, and the calls that it pays for; the
            workspace is then taken while it runs.

    Raises:
        UsageError: It is remote and no workspace.
        WorkspaceBusyError: It is to be taken, and another job works in it.
        StorageError: The store cannot be reached or refuses.
    """
    if not is_remote(place):
        yield place
        return
    with copied(str(place), write=write) as folder:
        if not write:
            yield folder
            return
        with ledger_kept(place, folder):
            yield folder


def on_copies(
    *, write: bool, n_places: int = 1
) -> Callable[[Callable[Given, Value]], Callable[Given, Value]]:
    """Return a decorator of functions whose first `n_places` arguments may then be remote."""

    def decorate(function: Callable[Given, Value]) -> Callable[Given, Value]:
        signature = inspect.signature(function)
        names = list(signature.parameters)[:n_places]

        @wraps(function)
        def on_local(*args: Given.args, **kwargs: Given.kwargs) -> Value:
            bound = signature.bind(*args, **kwargs)
            with ExitStack() as stack:
                for name in names:
                    bound.arguments[name] = stack.enter_context(
                        copy_of(bound.arguments[name], write=write)
                    )
                return function(*bound.args, **bound.kwargs)

        return on_local

    return decorate
