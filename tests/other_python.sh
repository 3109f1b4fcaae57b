#!/usr/bin/env bash
# A part of the fast tests on another Python than that of the set-up, where the machine has one: what
# differs from one Python to the next is used by it (typing and annotations, pydantic, tar files,
# processes, dataclasses, notebooks). The environment is made in build/, from the same index.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv place=build/other-python
"$uv" --version
said=$(mktemp)
trap 'rm -f "$said"' EXIT
if ! other=$("$uv" python find --system --no-python-downloads '>=3.12,<3.15' 2>"$said"); then
    cat "$said" >&2
    # uv ends with 2 whatever failed; its words alone tell a machine without one from other errors.
    grep -q '^error: No interpreter found' "$said" || exit 1
    echo "no other Python (3.12 to 3.14) on this machine: nothing was tried on one"
    exit 0
fi
rm "$said"  # `exec` below runs no trap
"$other" --version
"$uv" venv --quiet --clear --no-python-downloads --python "$other" "$place"
"$uv" pip install --quiet --python "$place/bin/python" --editable . \
    'pytest>=8.3' 'pytest-timeout>=2.3' 'pytest-xdist>=3.6' 'hypothesis>=6.120' \
    'ipykernel>=6.29' 'nbclient>=0.10' 'pillow-heif>=0.22'
exec "$place/bin/python" -m pytest -q -m "not slow" -n 2 --dist loadgroup -p no:cacheprovider "$@" \
    tests/configuration tests/geometry tests/ingest tests/interactive tests/stages tests/styles \
    tests/test_config.py tests/test_core.py tests/test_documents.py tests/test_registry.py \
    tests/test_terminal.py
