"""Classify errors of a tracking service: it refuses an event, or it is away or broken."""

import contextlib
import errno
from collections.abc import Iterator

from itportrait.errors import ItportraitError
from itportrait.io import uris

_REFUSED_CODES = {
    "ALREADY_EXISTS",
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_CONFLICT",
    "RESOURCE_DOES_NOT_EXIST",
}
"""MLflow's error codes about the request itself; every other code says that it cannot serve."""
_BAD_VALUES = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
_BAD_NAMES = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR}
_LONGEST = 300


class RefusedError(Exception):
    """The service is there and will never take this event, which is dropped and logged."""


class BrokenStoreError(ItportraitError):
    """The store itself cannot take any event until somebody mends it.

    Args:
        reason: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy
        super().__init__(reason, remedy)

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}"


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn every error that is about the request itself into `RefusedError`.

    Raises:
        RefusedError: the client or the service says that the request is wrong.
        Exception: anything else means that the service is away or broken.
    """
    try:
        yield
    except (RefusedError, BrokenStoreError):
        raise
    except Exception as error:
        if is_refusal(error):
            raise RefusedError(shorten(error)) from error
        raise


def is_refusal(error: Exception) -> bool:
    """Tell whether an error would come again however often the same request is sent."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

    cause = error.__cause__
    if isinstance(error, MlflowException):
        if isinstance(cause, SQLAlchemyError):  # a damaged file comes as a bad request too
            return isinstance(cause, DataError | IntegrityError)
        if error.error_code in _REFUSED_CODES:
            return True
        return cause is not None and _is_bad_value(cause)
    return _is_bad_value(error)


def is_failure_of_service(error: Exception) -> bool:
    """Tell whether a service that is there failed at a request (HTTP 500), maybe because of it."""
    from mlflow.exceptions import MlflowException

    if not isinstance(error, MlflowException) or error.error_code != "INTERNAL_ERROR":
        return False
    system = [item for item in chain(error) if isinstance(item, OSError)]
    return not system or "too many 500 error responses" in str(system[0])


def _is_bad_value(error: BaseException) -> bool:
    if isinstance(error, OSError):  # those of `requests` are such, the ones of bad addresses too
        return error.errno in _BAD_NAMES
    # MLflow's entities raise bare exceptions where a value is none of those that they know.
    return isinstance(error, _BAD_VALUES) or type(error) is Exception


def chain(error: BaseException) -> list[BaseException]:
    """Return an error and those that led to it, the first cause last."""
    found = [error]
    while inner := found[-1].__cause__ or found[-1].__context__:
        if inner in found:
            break
        found.append(inner)
    return found


def shorten(error: BaseException) -> str:
    """Return the reason of an error in one line, without credentials."""
    # The client of MLflow wraps a lost connection in several layers that repeat the address.
    system = [item for item in chain(error) if isinstance(item, OSError) and str(item).strip()]
    seen = system[-1] if system else error
    lines = [line.strip() for line in str(seen).splitlines() if line.strip()]
    return uris.redact(lines[0] if lines else type(seen).__name__)[:_LONGEST]
