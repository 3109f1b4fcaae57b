"""Model bundles: a generator and the perception models that go with it, under one name or URI."""

from typing import TYPE_CHECKING

from itportrait.lazy import lazy_exports

if TYPE_CHECKING:
    from itportrait.bundle.bundle import Bundle, load_bundle
    from itportrait.bundle.importer import import_eg3d
    from itportrait.bundle.spec import (
        BundleSpec,
        CameraPrior,
        ClipSpec,
        PerceptionSpec,
        write_bundle,
    )

__all__ = [
    "Bundle",
    "BundleSpec",
    "CameraPrior",
    "ClipSpec",
    "PerceptionSpec",
    "import_eg3d",
    "load_bundle",
    "write_bundle",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "bundle": "Bundle load_bundle",
        "importer": "import_eg3d",
        "spec": "BundleSpec CameraPrior ClipSpec PerceptionSpec write_bundle",
    },
)
