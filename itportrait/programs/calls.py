"""What each job is told on its command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StylizeCall:
    """Call of `stylize-dataset`.

    Args:
        config: YAML file or URI, or the name of a shipped configuration.
        set_: overrides, `key=value`.
        input: photos; "" leaves it to the configuration, as with the next ones.
        output: folder or URI to write.
        bank: style bank.
        domains: names of the domains to take; None takes those of the configuration.
        bundle: base model.
        mlflow: tracking URI, or none; "" leaves it to the configuration.
        address: of a Ray cluster; None starts an embedded one.
        dry_run: print what would be done.
        strict: refuse domains of which there is a warning.
        retry_failed: compute failed records again.
    """

    config: str
    set_: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    bank: str = ""
    domains: list[str] | None = None
    bundle: str = ""
    mlflow: str = ""
    address: str | None = None
    dry_run: bool = False
    strict: bool = False
    retry_failed: bool = False


@dataclass(frozen=True)
class BuildCall:
    """Call of `build-bank`.

    Args:
        config: YAML file or URI, or the name of a shipped configuration.
        bank: folder or URI of the bank.
        mlflow: tracking URI, or none.
        set_: overrides, `key=value`.
        date: names the build and its versions; None means today.
        domains: names of the domains to build; none means all.
        bundle: base model; "" leaves it to the configuration.
        address: of a Ray cluster; None starts an embedded one.
        strict: refuse to train domains with a warning.
        wait: wait while another build holds the bank.
    """

    config: str
    bank: str
    mlflow: str
    set_: tuple[str, ...] = ()
    date: str | None = None
    domains: tuple[str, ...] = ()
    bundle: str = ""
    address: str | None = None
    strict: bool = False
    wait: bool = False


@dataclass(frozen=True)
class CompareCall:
    """Call of `compare`.

    Args:
        config: YAML file or URI, or the name of a shipped configuration.
        mlflow: tracking URI, or none.
        set_: overrides, `key=value`.
        output: folder or URI to write; "" leaves it to the configuration.
        bundle: base model; "" leaves it to the configuration.
        address: of a Ray cluster; None starts an embedded one.
    """

    config: str
    mlflow: str
    set_: tuple[str, ...] = ()
    output: str = ""
    bundle: str = ""
    address: str | None = None
