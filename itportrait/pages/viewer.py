"""A mesh that turns on a page under the mouse, a finger or the keys, without any library."""

import base64
import html

from itportrait.pages.page import template

_SIDE = 320
"""Pixels of the picture, which is shown at about half of it."""


def mesh_viewer(glb: bytes, alt: str, caption: str) -> str:
    """Return HTML of a figure that shows a textured mesh; the page also needs `viewer_script`.

    Args:
        glb: the file, as `itportrait.meshes.encode_mesh` writes a mesh with a texture.
        alt: what it shows; plain text.
        caption: HTML below it; its maker has escaped all text.
    """
    data = base64.b64encode(glb).decode()
    return (
        f'<figure class="mesh"><canvas width="{_SIDE}" height="{_SIDE}" tabindex="0" role="img" '
        f'aria-label="{html.escape(alt, quote=True)}; arrow keys turn it"></canvas>'
        '<p class="none soft small" hidden>This browser draws no meshes: it has no WebGL.</p>'
        f'<script type="text/plain">{data}</script><figcaption>{caption}</figcaption></figure>'
    )


def viewer_script() -> str:
    """Return HTML of the script that draws the figures before it."""
    return f"<script>(() => {{\n{template('mesh.js')}}})();</script>"
