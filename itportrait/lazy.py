"""Package exports that are imported when first used.

A driver or a command line that only reads `itportrait.invert.config` does not pay for torch and the
models (seconds, and 500 MB) that `itportrait.invert.Inverter` needs.
"""

import importlib
from collections.abc import Callable
from typing import Any


def lazy_exports(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` (PEP 562).

    Args:
        package: `__name__` of the package.
        modules: submodule (or whole name of a module elsewhere in `itportrait`) -> its exported
            names, separated by blanks. A name that is also a submodule's is imported eagerly
            instead: importing the submodule would put the module in the name's place.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        module = home if home.startswith("itportrait.") else f"{package}.{home}"
        return getattr(importlib.import_module(module), name)

    return get
