"""The settings that come with a bundle: `settings.yaml` in its folder, beside `model.json`.

They say what fits the family: how its people are framed, how its codes are found, how it is adapted
to styles. A configuration and `--set` override them key by key, see `laying`. The file is no part
of `model_id`, because settings are part of every fingerprint already, wherever they come from.
"""

import sys
from collections.abc import Iterable
from typing import Any

from pydantic import Field, field_validator

from itportrait.adapt.config import AdaptConfig
from itportrait.adapt.domain import DomainSpec
from itportrait.align.config import AlignConfig
from itportrait.bundle.places import MODEL_FILE, SETTINGS_FILE, bundle_folder
from itportrait.config import Settings, refuse_unknown_keys
from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.ingest.config import IngestConfig
from itportrait.invert.config import InvertConfig
from itportrait.io import uris
from itportrait.stylize.config import StylizeConfig
from itportrait.yaml_lines import MOST_BYTES, read_yaml

_OF_DOMAINS = ("source_prompt", "steps", "seed", "train")
"""Settings of domains that may come with a bundle: those that say nothing of any style."""


class BundleSettings(Settings):
    """Content of `settings.yaml`: sections of a job's configuration."""

    ingest: IngestConfig = IngestConfig()
    """How inputs are found and cut into shards."""
    align: AlignConfig = AlignConfig()
    """How photos become crops and cameras."""
    invert: InvertConfig = InvertConfig()
    """How portraits become codes of the generator."""
    adapt: AdaptConfig = AdaptConfig()
    """How domains are adapted."""
    stylize: StylizeConfig = StylizeConfig()
    """How codes become stylized views."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Settings that lie under those of every domain: `source_prompt`, `steps`, `seed`, `train`."""

    @field_validator("defaults")
    @classmethod
    def _are_of_domains(cls, value: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown_keys(value, _OF_DOMAINS)
        any_domain = {"name": "placeholder", "mode": "text", "prompt": "placeholder"}
        try:
            DomainSpec.parse(value | any_domain, source="defaults")
        except InvalidArgumentError as error:
            raise ValueError(str(error.actual)) from None
        return value


def _is_readable_elsewhere(bundle: str) -> bool:
    """Tell whether a bundle is remote and its `model.json` can be read."""
    folder = bundle_folder(bundle)
    if uris.is_local(folder):  # where a file that is not there is told from a closed one
        return False
    try:
        uris.read_bytes(uris.join(folder, MODEL_FILE), most=1)
    except OSError:
        return False
    return True


def read_bundle_settings(
    bundle: object, *, sections: Iterable[str], of_domains: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the settings that come with a bundle, as plain data; {} where it has none.

    S3 refuses access to a key that is not there where a caller may not list the bucket. A remote
    bundle that can be read apart from this file is taken for one without, which is said.

    Args:
        bundle: name or URI. What is none is left to those who validate it.
        sections: names of the sections that are read.
        of_domains: names of the keys that are read of `defaults`.

    Raises:
        NoInputError: the file is there and cannot be read.
        InvalidArgumentError: it is not valid; names the line or every offending key.
    """
    if not isinstance(bundle, str) or not bundle:
        return {}
    place = uris.join(bundle_folder(bundle), SETTINGS_FILE)
    source = f"{SETTINGS_FILE} of the bundle {uris.redact(bundle)}"
    try:
        text = uris.read_bytes(place, most=MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        if isinstance(error, PermissionError) and _is_readable_elsewhere(bundle):
            print(
                f"note: {source} cannot be read, and is taken for absent: the storage refuses it, "
                "as it does with absent files where it may not be listed; the defaults count",
                file=sys.stderr,
            )
            return {}
        raise NoInputError(f"{source} cannot be read: {uris.redact(str(error))}") from error
    data = read_yaml(text, source=source)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InvalidArgumentError(source, expected="a YAML mapping", actual=type(data).__name__)
    BundleSettings.parse(data, source=source)
    domains = data.pop("defaults", {})
    read = {key: data[key] for key in sections if key in data}
    defaults = {key: domains[key] for key in of_domains if key in domains}
    return read | ({"defaults": defaults} if defaults else {})
