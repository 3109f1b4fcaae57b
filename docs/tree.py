"""Rewrite what the pages show of the sources, README's tree and docs/rooms.svg: `make tree`."""

import ast
import sys
from pathlib import Path

from drawing import PICTURE, ROOT, drawing, layers

README = ROOT / "README.md"
HEADING = "## The tree\n"
OTHERS = {
    "workflows/": "The jobs as files, for `ray job submit`; what makes the embedded models",
    "configs/": "Recipes: the demo, a bank of six domains, EG3D weights",
    "cluster/": "Image, KubeRay, timers, local stack, dashboards: cluster/README.md",
    "tests/": "Mirrors itportrait/; real Ray, MLflow and Parquet",
    "benchmarks/": "Measurements of speed, quality and faults, each a program of its own",
    "docs/": "Architecture, decisions, Python, clusters, results, speed; what makes such pages",
    "ray_config.yaml": "For `ray up`",
}


def summary(path: Path) -> str:
    """Return the first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = " ".join(text.split("\n\n")[0].split())
    return sentence.split(". ")[0].rstrip(".")


def rooms() -> list[Path]:
    """Return the packages and modules directly under the root, from the highest layer down."""
    package = ROOT / "itportrait"
    order = [name for layer in layers() for name in sorted(layer)]
    found = [path.parent for path in package.glob("*/__init__.py")]
    found += [path for path in package.glob("*.py") if path.name != "__init__.py"]
    if lost := sorted(path.name for path in found if path.stem not in order):
        sys.exit(f"{', '.join(lost)}: in no layer; name it in pyproject.toml (importlinter)")
    return sorted(found, key=lambda path: order.index(path.stem))


def lines_of(path: Path, depth: int = 0) -> list[tuple[str, str]]:
    """Return name and meaning of a file, or of a folder and, indented, of what is in it."""
    indent = "  " * depth
    if path.is_file():
        return [(f"{indent}{path.name}", summary(path))]
    head = path / "__init__.py"
    lines = [(f"{indent}{path.name}/", summary(head) if head.exists() else "")]
    inside = [item for item in path.glob("*.py") if item.name != "__init__.py"]
    inside += [item.parent for item in path.glob("*/__init__.py")]
    for item in sorted(inside):
        lines += lines_of(item, depth + 1)
    return lines


def block(lines: list[tuple[str, str]]) -> str:
    """Return lines of two columns as a Markdown block."""
    width = 1 + max(len(name) for name, _ in lines)
    return (
        "```\n" + "\n".join((name.ljust(width) + text).rstrip() for name, text in lines) + "\n```\n"
    )


def tree() -> str:
    """Return the rooms, one line each, and below them every file that says something."""
    first = [lines_of(room)[0] for room in rooms()]
    first = [(f"itportrait/{name}", text) for name, text in first] + list(OTHERS.items())
    files = [line for room in rooms() for line in lines_of(room)]
    for folder in ("workflows", "benchmarks"):
        files += lines_of(ROOT / folder)
    return (
        f"{block(first)}\n<details>\n<summary>Every file, from the highest layer down</summary>\n\n"
        f"{block(files)}\n</details>\n"
    )


def main() -> int:
    """Rewrite README.md and the drawing, or with `--check` say whether they are up to date."""
    head, _, _ = README.read_text().partition(HEADING)
    wanted = {README: f"{head}{HEADING}\n{tree()}", PICTURE: drawing()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} does not follow the sources; run `make tree`")
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
