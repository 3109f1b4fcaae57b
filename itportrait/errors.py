"""All errors that are raised on purpose: what was expected, what came, and what to do about it."""


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


class UnknownNameError(ItportraitError, KeyError):
    """A name (method, domain, key, model) is not known: lists the known ones."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(kind, name, self.known)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}; known: {', '.join(self.known) or 'none'}"


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
