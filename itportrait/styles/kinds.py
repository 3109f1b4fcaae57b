"""The kinds of style that this installation knows, and the reader of files of any of them."""

from pathlib import Path

from itportrait.errors import CheckpointError, UnknownNameError
from itportrait.registry import Registry
from itportrait.styles.file import StyleFile, read_local
from itportrait.styles.style import Style
from itportrait.weights.windows import fence

STYLE_KINDS: Registry[type[Style]] = Registry(
    "kind of style",
    group="itportrait.style_kinds",
    own={
        "itportrait-adapter-1": "itportrait.styles.weight_style:WeightStyle",
        "itportrait-clipstyler-1": "itportrait.editing.clipstyler.style:ClipstylerStyle",
        "itportrait-deformed-1": "itportrait.styles.deformed_style:DeformedStyle",
        "itportrait-latent-1": "itportrait.styles.latent_style:LatentStyle",
        "itportrait-optimized-1": "itportrait.editing.styleclip.optimization:OptimizedStyle",
        "itportrait-stacked-1": "itportrait.styles.stacked_style:StackedStyle",
    },
)


def read_style(data: bytes, *, source: str = "style") -> Style:
    """Read a style of any kind that is known here.

    Args:
        data: the file's bytes.
        source: its name, for errors.

    Raises:
        CheckpointError: truncated, no style, or of a kind that nobody has registered.
    """
    with fence(source):
        return style_of(StyleFile.parse(data))


def style_of(file: StyleFile) -> Style:
    """Return the style that a file's content describes.

    Raises:
        CheckpointError: of a kind that nobody has registered, or not what that kind writes.
    """
    try:
        kind = STYLE_KINDS.get(file.kind)
    except UnknownNameError as error:
        raise CheckpointError(
            f"{error}; install the package that this style was made with"
        ) from error
    return kind.of_file(file)


def load_style(path: str | Path) -> Style:
    """Read a style of any kind from its file or its folder.

    Raises:
        CheckpointError: absent, truncated, no style, or of a kind that nobody has registered.
    """
    data, source = read_local(path)
    return read_style(data, source=source)
