"""A bank's versions as registered models, and its champions as their alias `champion`.

The bank is the truth and the registry its mirror: `sync` compares the two and mends what differs.
Nothing is queued while the tracking service is down, for nothing can be forgotten: whatever a sync
could not do, the next one finds undone (after every publication, at the end of every build, at
`itportrait bank promote`, `rollback` and `register`). A version that is pruned from the bank stays
registered; its model holds its own copy of the style.
"""

import base64
import re
import threading
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from itportrait import __version__
from itportrait.bank.card import CARD_NAME
from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle.places import MINI, MODEL_FILE, bundle_folder
from itportrait.configuration.bundle_settings import read_bundle_settings
from itportrait.errors import ItportraitError, NoInputError
from itportrait.io import uris
from itportrait.jobs import portrait_model
from itportrait.jobs.portrait_model import ABOUT, IMAGE, OUTPUTS, ModelSettings
from itportrait.styles.names import STYLE_FILE
from itportrait.tracking import ModelCard, ModelRegistry, RefusedError, open_registry

CHAMPION = "champion"
_LONGEST = 5000
"""Characters of a description that MLflow keeps."""
_EXAMPLE = "example_portrait.jpg"
"""A person that `itportrait sample-portraits` drew, beside this file."""
SILENCE_S = 10.0
"""Seconds that the end of a build waits for one model to be registered."""
SETTLING_S = 30.0
"""Seconds that the end of a build waits for all of them."""


def model_name(bank: str, domain: str) -> str:
    """Return the name of a domain's registered model: the bank's folder and the domain."""
    folder = uris.absolute(bank).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{folder}-{domain}")


class BankModels:
    """Keeps a tracking service's registered models in step with a bank.

    Args:
        bank: whose versions are mirrored.
        uri: tracking URI; None, "" and "none" mirror nothing.
        retry_s: seconds without a new attempt after the service was found away.
    """

    def __init__(self, bank: Bank, uri: str | None, *, retry_s: float = 20.0) -> None:
        self.bank, self.retry_s = bank, retry_s
        self._registry = open_registry(uri)
        self._lock = threading.Lock()
        self._away_until, self._away = 0.0, ""
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted: list[Sequence[str] | None] = []
        self._problems: list[str] = []
        self._moved_at = 0.0

    def follow(self, domains: Sequence[str] | None = None) -> None:
        """Sync in the background: a slow service must not hold up what is built.

        Args:
            domains: names; None: all of the bank.
        """
        if self._registry is None:
            return
        with self._turn:
            self._wanted.append(domains)
            if self._thread is None:
                self._moved_at = time.monotonic()
                self._thread = threading.Thread(target=self._work, name="models", daemon=True)
                self._thread.start()

    def settle(self) -> list[str]:
        """Wait for what was begun by `follow`, some seconds at most.

        Returns:
            What could not be done and why, a line each.
        """
        started = time.monotonic()
        with self._turn:
            while self._thread is not None:
                now = time.monotonic()
                if now - self._moved_at > SILENCE_S or now - started > SETTLING_S:
                    return [*self._problems, _away(self._registry, "it does not keep up")]
                self._turn.wait(0.1)
            return list(self._problems)

    def _work(self) -> None:
        while True:
            with self._turn:
                if not self._wanted:
                    self._thread = None
                    self._turn.notify_all()
                    return
                domains = self._wanted.pop(0)
            problems = self.sync(domains)
            with self._turn:
                self._problems += [line for line in problems if line not in self._problems]

    def sync(self, domains: Sequence[str] | None = None) -> list[str]:
        """Register what is missing, and move the aliases.

        Args:
            domains: names; None: all of the bank.

        Returns:
            What could not be done and why, a line each; empty: all is in step. Never raises because
            of the tracking service, nor for one domain.
        """
        if self._registry is None:
            return []
        # Domains are published from several threads, and a model must not be registered twice.
        with self._lock:
            if time.monotonic() < self._away_until:
                return [self._away]
            problems: list[str] = []
            try:
                names = sorted(self.bank.index()["domains"]) if domains is None else domains
            except (ItportraitError, OSError) as error:
                return [f"the bank cannot be read: {uris.redact(str(error))}"]
            for domain in names:
                try:
                    problems += self._sync_domain(self._registry, domain)
                except RefusedError as error:
                    problems.append(f"{domain}: {uris.redact(str(error))}")
                except Exception as error:
                    self._away_until = time.monotonic() + self.retry_s
                    self._away = _away(self._registry, uris.redact(str(error)))
                    return [*problems, self._away]
            return problems

    def _sync_domain(self, registry: ModelRegistry, domain: str) -> list[str]:
        name = model_name(self.bank.uri, domain)
        owner = uris.redact(uris.absolute(self.bank.uri))
        registry.claim(name, owner, description=_about_model(domain, owner))
        self._moved_at = time.monotonic()
        while True:
            entry = self.bank.index()["domains"].get(domain)
            if entry is None:
                return [f"{domain}: not in the bank"]
            problems = self._register_missing(registry, name, domain)
            number = registry.versions(name).get(entry["champion"])
            if number is not None and registry.alias(name, CHAMPION) != number:
                registry.set_alias(name, CHAMPION, number)
            # Someone may have promoted another meanwhile, whose own sync came before this one.
            after = self.bank.index()["domains"].get(domain)
            if after is None or after["champion"] == entry["champion"]:
                return problems

    def _register_missing(self, registry: ModelRegistry, name: str, domain: str) -> list[str]:
        known, problems = registry.versions(name), []
        for version in self.bank.versions(domain):
            if version in known:
                continue
            try:
                card = model_card(name, self.bank.read(domain, version))
            except (ItportraitError, OSError) as error:
                reason = uris.redact(str(error))
                problems.append(f"{domain} {version} cannot be registered: {reason}")
                continue
            registry.register(card)
            self._moved_at = time.monotonic()
        return problems


def _away(registry: ModelRegistry | None, reason: str) -> str:
    where = uris.redact(registry.uri) if registry else "none"
    return (
        f"MLflow at {where} is away, registered models follow with the next build "
        f"or `itportrait bank register`: {reason}"
    )


def _settings_of(base: str) -> dict[str, Any]:
    """Return the settings that come with a base model, of the sections that a saved model has."""
    if not uris.exists(uris.join(bundle_folder(base), MODEL_FILE)):
        raise NoInputError(
            f"base model {uris.redact(base)} cannot be found from here, and the settings that come "
            "with it belong to the model: run `itportrait bank register` where it can be read"
        )
    return read_bundle_settings(base, sections=ModelSettings.model_fields)


def example_portrait() -> str:
    """Return a drawn portrait as the base64 text of its JPEG, as JSON carries pictures."""
    data = files("itportrait.jobs.bank").joinpath(_EXAMPLE).read_bytes()
    return base64.b64encode(data).decode()


def model_card(name: str, version: BankVersion) -> ModelCard:
    """Return what is registered of a version: style, settings, and where its base model is.

    The settings are those that come with the base model, as jobs have them, and over them those
    of alignment that are kept with the version. A later change of the base's does not reach it.

    Args:
        name: of the registered model.
        version: from a bank.

    Raises:
        NoInputError: the base model is not where the version was made, and so neither are the
            settings that come with it.
        InvalidArgumentError: settings that are kept with the version are of another release.
        OSError: the style cannot be read.
    """
    info = version.info
    base = info.get("base") or MINI
    of_base = _settings_of(base)
    settings = ModelSettings.parse(
        {
            **of_base,
            "domain": version.domain,
            "version": version.version,
            "base": base,
            "base_model_id": version.base_model_id,
            "spec": version.spec,
            "align": of_base.get("align", {}) | (info.get("align") or {}),
            "stylize": of_base.get("stylize", {}) | {"metrics": False},
        },
        source=f"version {version.version} of {version.domain}",
    )
    verdict = (info.get("gate") or {}).get("verdict", "")
    return ModelCard(
        name=name,
        key=version.version,
        loader=portrait_model.__name__,
        files={
            STYLE_FILE: uris.read_bytes(version.file(STYLE_FILE)),
            ABOUT: uris.redact(uris.to_json(settings.model_dump(mode="json")).decode()).encode(),
        },
        config={"bundle": settings.base, "device": "auto"},
        params=settings.params(),
        outputs=OUTPUTS,
        example={IMAGE: [example_portrait()]},
        requirements=(f"itportrait=={__version__}",),
        run_key=version.run_name,
        tags={
            "domain": version.domain,
            "fingerprint": version.fingerprint,
            "base_model_id": version.base_model_id,
            "gate": verdict,
        },
        description=_about_version(version),
    )


def _about_model(domain: str, owner: str) -> str:
    """Return the description of a registered model, Markdown."""
    return (
        f"Style domain **{domain}** of the bank `{owner}`: photos in, stylized views out. The "
        f"alias `{CHAMPION}` follows the bank's champion. A model holds style and settings; the "
        "base model is loaded from where it was when the style was made.\n\n"
        "`predict` takes encoded photos (bytes, or base64 text in a column `image`, as "
        "`mlflow models serve` gets them) or aligned pictures, uint8 `[S, S, 3]`. It returns a row "
        "a portrait: `status`, the error if any, `views` as PNG, and `yaw_deg` and `pitch_deg` of "
        "each view. Parameters: `method` and `steps` of the inversion, `strength`, `yaw_deg` and "
        "`pitch_deg` of the views that follow the portrait's own."
    )


def _about_version(version: BankVersion) -> str:
    """Return the description of a version: its card in the bank, or what is known without one."""
    names = uris.list_names(version.uri)
    if CARD_NAME in names:
        text = uris.read_bytes(version.file(CARD_NAME)).decode()
        if len(text) <= _LONGEST:
            return text
    prompt = version.spec.get("prompt")
    return f"`{version.version}`" + (f": {prompt}" if prompt else "")
