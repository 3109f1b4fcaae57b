"""Build the reference as static pages, the settings and the API: `make docs`."""

import html
import importlib
import itertools
import pkgutil
import re
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import pdoc
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import itportrait
from itportrait.adapt.methods import METHODS, config_of
from itportrait.adapt.methods.itportrait.config import ItportraitConfig
from itportrait.config import Settings
from itportrait.invert.methods import INVERSIONS
from itportrait.jobs.bank.spec import BankSpec
from itportrait.jobs.stylize.config import JobConfig
from itportrait.pages.page import render_page

FOLDER = Path(__file__).resolve().parent.parent / "build/docs"
PAGES = {
    "stylize_dataset": ("workflows/stylize_dataset.py --config FILE", JobConfig),
    "build_style_bank": ("workflows/build_style_bank.py --config FILE", BankSpec),
}
Row = tuple[str, str, str, str]


def api_modules() -> list[str]:
    """Return the names of the package's modules and packages, which stand for what is in them."""
    found = pkgutil.walk_packages(itportrait.__path__, "itportrait.")
    names = ["itportrait", *sorted(item.name for item in found)]
    for name in names:
        module = importlib.import_module(name)
        for export in getattr(module, "__all__", ()):
            # Exports that are imported on first use are not in the module before that.
            setattr(module, export, getattr(module, export))
    return [name for name in names if name.count(".") <= 1]


def settings_rows(model: type[Settings], prefix: str = "") -> Iterator[Row]:
    """Yield dotted key, type, default and meaning of every setting, depth first.

    Raises:
        ValueError: a setting has no docstring.
    """
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if not field.description:
            raise ValueError(f"{model.__module__}.{model.__name__}.{name} has no docstring")
        meaning = " ".join(field.description.split())
        nested = _nested(field.annotation)
        default = field.get_default(call_default_factory=True)
        if nested is not None and isinstance(default, Settings):
            yield key, "", "", meaning
            yield from settings_rows(nested, f"{key}.")
            continue
        shown = "required" if default is PydanticUndefined else f"default {_shown(default)}"
        yield key, _type_name(field.annotation) + _bounds(field), shown, meaning
        if nested is not None:
            yield from settings_rows(
                nested, f"{key}.NAME." if "dict" in str(field.annotation) else f"{key}[]."
            )


def method_rows(model: type[Settings]) -> Iterator[Row]:
    """Yield the settings of single methods of this package, which a job takes by their names."""
    inversions = {name: INVERSIONS.get(name).Config for name in INVERSIONS.names()}
    adaptations = {name: config_of(name) for name in METHODS.names()}
    for section, configs in (("invert", inversions), ("adapt", adaptations)):
        if section not in model.model_fields:
            continue
        for name, config in sorted(configs.items()):
            ours = config.__module__.startswith("itportrait.")
            if ours and config is not ItportraitConfig:  # whose settings stand under `adapt`
                yield from settings_rows(config, f"{section}.methods.{name}.")


def _nested(annotation: object) -> type[Settings] | None:
    """Return the settings that an annotation holds, itself or as an item."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    for part in typing.get_args(annotation):
        if (found := _nested(part)) is not None:
            return found
    return None


def _type_name(annotation: object) -> str:
    """Return a type as people write it in YAML."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " | ".join(str(part) for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_name(part) for part in parts)
    if origin is tuple and parts and parts[-1] is Ellipsis:
        return f"list of {_type_name(parts[0])}"
    if origin in (tuple, list):
        return f"[{', '.join(_type_name(part) for part in parts)}]"
    if origin is dict:
        return f"mapping to {_type_name(parts[1])}"
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation))


def _bounds(field: FieldInfo) -> str:
    """Return the numbers that a setting may lie between, as they are checked."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {bound:g}"
        for rule in field.metadata
        for name, sign in signs.items()
        if isinstance(bound := getattr(rule, name, None), int | float)
    ]
    return "".join(f", {bound}" for bound in bounds)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return str(value) if value != "" else '""'


def _definitions(rows: Iterator[Row]) -> str:
    """Return settings as a list that reads on a narrow page as well as on a wide one."""
    items = []
    for key, kind, default, meaning in rows:
        about = f" <small>{html.escape(kind)}; {html.escape(default)}</small>" if kind else ""
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(meaning))
        name = html.escape(key)
        items.append(f'<p id="{name}" style="margin: 0.9em 0"><b>{name}</b>{about}<br>{text}</p>')
    style = "padding: 0.2em 1.2em; overflow-wrap: anywhere"
    return f'<div class="card" style="{style}">{"".join(items)}</div>'


def write_settings(folder: Path) -> list[Path]:
    """Write one page of settings for each job, and return them."""
    written = []
    for name, (command, model) in PAGES.items():
        page = render_page(
            title=f"Settings of {name}",
            subtitle=f"{command}; every key can be set on the command line: --set KEY=VALUE",
            sections=[_definitions(itertools.chain(settings_rows(model), method_rows(model)))],
        )
        written.append(folder / f"settings-{name}.html")
        written[-1].write_text(page)
    return written


def write_index(folder: Path, modules: Sequence[str], settings: Sequence[Path]) -> Path:
    """Write the page that leads to all others, and return it."""
    pages = [(f"Settings of {path.stem.removeprefix('settings-')}", path.name) for path in settings]
    pages += [(name, f"{name.replace('.', '/')}.html") for name in modules]
    links = "".join(f'<p><a href="{place}">{html.escape(name)}</a></p>' for name, place in pages)
    page = render_page(
        title="Reference",
        subtitle="the settings of each job, and the API by module",
        sections=[f'<div class="card" style="padding: 0.2em 1.2em">{links}</div>'],
    )
    index = folder / "index.html"
    index.write_text(page)
    return index


def main() -> int:
    """Write all pages below `build/docs`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pdoc.render.configure(docformat="google", footer_text="itportrait", show_source=False)
    modules = api_modules()
    pdoc.pdoc(*modules, output_directory=FOLDER)
    pages = write_settings(FOLDER)
    print("\n".join(map(str, [write_index(FOLDER, modules, pages), *pages])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
