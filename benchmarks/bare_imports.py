"""Import the layers that need no cluster, tracking or image-text package, and say what came along.

    python -m benchmarks.bare_imports

Ends with 1 where one of them imports Ray, MLflow or open_clip, installed or not.
"""

import importlib
import json
import sys

LAYERS = (
    "itportrait.generator",
    "itportrait.invert",
    "itportrait.adapt",
    "itportrait.adapt.methods",
    "itportrait.styles",
    "itportrait.perception.encoder",
    "itportrait.compared.against",
    "itportrait.kernels",
    "itportrait.ops",
)
NOT_NEEDED = ("ray", "mlflow", "open_clip")


def main() -> None:
    """Import them all."""
    for name in LAYERS:
        importlib.import_module(name)
    found = [name for name in NOT_NEEDED if name in sys.modules]
    print(json.dumps({"layers": len(LAYERS), "not_needed": found}))
    if found:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
