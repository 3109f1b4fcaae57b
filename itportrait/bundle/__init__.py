"""Model bundles: a generator and the perception models that go with it, under one name or URI."""

from itportrait.bundle.bundle import Bundle, load_bundle
from itportrait.bundle.importer import import_eg3d
from itportrait.bundle.spec import BundleSpec, CameraPrior, ClipSpec, PerceptionSpec, write_bundle

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
