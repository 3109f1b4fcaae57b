"""All errors that are raised on purpose: what was expected, what came, and what to do about it."""

import difflib
import re


class ItportraitError(Exception):
    """Base of all errors raised on purpose by this package."""


class InvalidArgumentError(ItportraitError, ValueError):
    """An argument is outside its domain: names it, what was expected, what came, the remedy."""

    def __init__(self, argument: str, *, expected: str, actual: object, remedy: str = "") -> None:
        self.argument, self.expected, self.actual, self.remedy = argument, expected, actual, remedy
        message = f"{argument} must be {expected}, got {actual}"
        super().__init__(f"{message}; {remedy}" if remedy else message)

    def __reduce__(self):
        return _rebuild_invalid_argument, (
            type(self),
            self.argument,
            self.expected,
            str(self.actual),
            self.remedy,
        )


def _rebuild_invalid_argument(cls, argument, expected, actual, remedy):
    return cls(argument, expected=expected, actual=actual, remedy=remedy)


class InvalidSettingsError(InvalidArgumentError):
    """Settings are not valid; `actual` names every offending key, and what was expected of it."""

    @property
    def within(self) -> str:
        """What the errors of settings that hold these say: where, and what is wrong there."""
        return f"{self.argument}: {self.actual}"


class UnknownNameError(ItportraitError, KeyError):
    """A name (method, domain, key, model) is not known: lists the known ones."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        near = difflib.get_close_matches(str(self.name), self.known, n=1)
        meant = f"; perhaps {near[0]!r} is meant" if near else ""
        return f"unknown {self.kind} {self.name!r}; known: {known}{meant}"


class RecordRejectedError(ItportraitError):
    """A record is unfit by a rule of the pipeline (a row with status `rejected`), not by a fault.

    Args:
        reason: short code that users filter by, e.g. `no_face`.
        message: what was measured and which threshold it missed.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(reason, message)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class DecodeError(ItportraitError):
    """The bytes are not a picture that can be decoded (a row with status `failed`)."""


class InputFaultError(ItportraitError):
    """An input could not be listed, or has nothing to read (a row with status `failed`)."""


class NoInputError(ItportraitError):
    """Nothing to work on was found; names the URI and the patterns tried."""


class MissingModelError(ItportraitError):
    """A weight or model file is absent or altered; names the command that fetches or imports it."""


class CheckpointError(ItportraitError):
    """A checkpoint is truncated, lacks tensors, or has misshapen ones."""


class UnsafeCheckpointError(CheckpointError):
    """A pickle asks for what the allow-list lacks; names it. Nothing of it was executed."""


class OutputError(ItportraitError, OSError):
    """Writing failed (space, permission); names the path. Commits made before stay valid."""


class StoreRefusedError(ItportraitError, PermissionError):
    """A store refuses (credentials, rights, names); no later try can mend it."""


class LeaseHeldError(ItportraitError):
    """Another job holds the output: says who, since when, and how its lease ends."""


def valid(kind: type) -> str:
    """Return what errors call the valid content of a class: its name as words for a user.

    Args:
        kind: `JobConfig` gives "valid job settings", `DomainSpec` "a valid domain specification",
            `_Index` "a valid index".
    """
    *words, last = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", kind.__name__)
    words = [word.lower() for word in words]
    if last in ("Config", "Settings"):
        return " ".join(["valid", *words, "settings"])
    last = "specification" if last == "Spec" else last.lower()
    return " ".join(["a valid", *words, last])
