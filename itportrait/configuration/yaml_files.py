"""Read the YAML files of jobs: mappings, on any storage, with `{runs}` for the folder of runs."""

from typing import Any

from itportrait.configuration.places import runs_folder
from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.io import uris
from itportrait.yaml_lines import MOST_BYTES, read_yaml

RUNS = "{runs}"
"""In a URI of a configuration: `$ITPORTRAIT_RUNS`, or `runs` below the working folder."""
_RUNS_MARK = "\ue000runs\ue000"
"""Text that stands for `RUNS` while YAML is parsed."""


def read_mapping(path: str) -> dict[str, Any]:
    """Return the content of a YAML file or URI.

    Raises:
        NoInputError: it cannot be read.
        InvalidArgumentError: it is no YAML, or no mapping.
    """
    try:
        text = uris.read_bytes(path, most=MOST_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise NoInputError(
            f"configuration {uris.redact(path)} cannot be read: {uris.why_unread(error)}; give a "
            "YAML file, or the name of a shipped one"
        ) from error
    # Unquoted, {runs} would be a mapping to YAML; the mark is a word wherever it stands.
    parsed = read_yaml(text.replace(RUNS, _RUNS_MARK), source=uris.redact(path))
    data = _with_runs(parsed, runs_folder()) or {}
    if not isinstance(data, dict):
        raise InvalidArgumentError(
            uris.redact(path), expected="a YAML mapping", actual=type(data).__name__
        )
    return data


def _with_runs(data: Any, runs: str) -> Any:
    """Return parsed data with the runs folder in its texts: as a value, whatever signs it holds."""
    if isinstance(data, dict):
        return {_with_runs(key, RUNS): _with_runs(value, runs) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_runs(value, runs) for value in data]
    return data.replace(_RUNS_MARK, runs) if isinstance(data, str) else data
