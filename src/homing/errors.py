"""Errors for the user's mistakes and for the machine's: each says what happened and what to do."""

from __future__ import annotations


class HomingError(Exception):
    """Something went wrong that is not a defect of Homing; the CLI prints it without a traceback.

    Attributes:
        exit_code: What the CLI returns.
    """

    exit_code = 1


class UsageError(HomingError):
    """The command, a setting or an argument is wrong."""

    exit_code = 2


class MissingDependencyError(HomingError):
    """A library of an extra is not installed; the message names the install command."""

    exit_code = 9

    @classmethod
    def for_extra(cls, library: str, extra: str) -> MissingDependencyError:
        """Return the error for a library that an extra of Homing installs."""
        return cls(f"{library} is not installed. Install it with: pip install 'homing[{extra}]'")


class NothingToDoError(HomingError):
    """The input holds nothing to work on, such as a folder with no readable file."""

    exit_code = 5


class WorkspaceBusyError(HomingError):
    """Another job is working in the same workspace."""

    exit_code = 6


class ModelNotFoundError(HomingError):
    """A base model can be had neither from the embedded package nor from the hub."""

    exit_code = 7


class HubError(HomingError):
    """The hub cannot be reached, or does not take what is sent: token, name or network."""

    exit_code = 10


class StorageError(HomingError):
    """A bucket or another place beyond this machine cannot be reached, read or written."""


class StoreError(HomingError):
    """A store of vectors cannot be reached or read, or does not hold what was written."""

    @classmethod
    def during(cls, where: str, error: BaseException) -> StoreError:
        """Return the error for a store whose library said something; addresses hold no password."""
        said = " ".join(str(error).split())[:500] or type(error).__name__
        return cls(
            f"{where} failed: {said.rstrip('.')}. What was written is kept: check the store and "
            "run the same command again, which continues."
        )
