"""The card of an exported dataset: by it the files are found, and its readers know the columns."""

import ast
import dataclasses
import inspect

from itportrait.results.export.row import ExportRow, index_schema

_HEAD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
---

# Stylized portraits

Pictures of portraits in style domains, a row each, exported by itportrait.

```python
import datasets

datasets.load_dataset("PATH_OF_THIS_FOLDER", split="train")
```

| column | meaning |
| --- | --- |
| `image` | The picture. |
"""


def dataset_card() -> str:
    """Return the text of the card."""
    meanings = field_docstrings(ExportRow)
    names = [name for name in index_schema().names if name != "shard"]
    return _HEAD + "".join(f"| `{name}` | {meanings[name]} |\n" for name in names)


def field_docstrings(kind: type) -> dict[str, str]:
    """Return what stands below each field of a dataclass and of those that it derives from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (body,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = text.value if isinstance(text, ast.Expr) else None
                if isinstance(said, ast.Constant):
                    found[field.target.id] = " ".join(str(said.value).split())
    return found
