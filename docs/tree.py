"""Rewrite the tree at the end of README.md from the first sentence of every module: `make tree`."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = "## The tree\n"
FOLDERS = ("workflows", "itportrait", "benchmarks")
OTHERS = {
    "configs/": "recipes: the demo, a bank of six domains, EG3D weights",
    "cluster/": "image, KubeRay, timers, local stack, dashboards: cluster/README.md",
    "tests/": "mirrors itportrait/; real Ray, MLflow and Parquet",
    "docs/": "decisions, the way to a cluster",
    "ray_config.yaml": "for `ray up`",
}


def summary(path: Path) -> str:
    """Return the first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = " ".join(text.split("\n\n")[0].split())
    return sentence.split(". ")[0].rstrip(".")


def tree() -> str:
    """Return the tree as a Markdown block, one line a file that says something."""
    said: list[tuple[str, str]] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT)
            if path.name == "__init__.py":
                if name.parent != Path(folder):
                    said.append((f"{name.parent}/", summary(path)))
            else:
                said.append((f"{name}", summary(path)))
    said += OTHERS.items()
    width = 1 + max(len(name) for name, _ in said)
    lines = [name.ljust(width) + text for name, text in said]
    return "```\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"


def main() -> int:
    """Rewrite README.md, or with `--check` say whether it is up to date."""
    readme = ROOT / "README.md"
    head, _, _ = readme.read_text().partition(HEADING)
    wanted = head + HEADING + "\n" + tree()
    if "--check" in sys.argv:
        return int(readme.read_text() != wanted)
    readme.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
