"""A textured mesh as one GLB file (glTF 2.0), whose texture is shown as it is, without lights."""

import json
import struct

import numpy as np

from itportrait import __version__

_FLOAT, _SHORT, _LONG = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _MIPMAPS, _CLAMPED = 9729, 9987, 33071
_MOST_SHORT = 0xFFFF
"""Vertices that indices of 16 bits can name: the highest of them has another meaning."""
_UNLIT = "KHR_materials_unlit"


def glb_of(
    vertices: np.ndarray, normals: np.ndarray, uv: np.ndarray, faces: np.ndarray, jpeg: bytes
) -> bytes:
    """Return a GLB file with one mesh, one material and one texture.

    Args:
        vertices: `[K, 3]`.
        normals: `[K, 3]`.
        uv: `[K, 2]` in [0, 1], v up.
        faces: `[F, 3]`.
        jpeg: the texture's file, taken as it is.

    Source:
        glTF 2.0 and KHR_materials_unlit, Khronos Group.
    """
    points = np.asarray(vertices, "<f4")
    indices, component = (
        (np.asarray(faces, "<u2"), _SHORT)
        if len(points) <= _MOST_SHORT
        else (np.asarray(faces, "<u4"), _LONG)
    )
    arrays = [
        ("VEC3", _FLOAT, _VERTICES, points),
        ("VEC3", _FLOAT, _VERTICES, np.asarray(normals, "<f4")),
        ("VEC2", _FLOAT, _VERTICES, np.asarray(uv * (1, -1) + (0, 1), "<f4")),
        ("SCALAR", component, _INDICES, indices),
    ]
    binary, views, accessors = b"", [], []
    for number, (kind, type_, target, values) in enumerate(arrays):
        data = values.tobytes()
        views.append(
            {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data), "target": target}
        )
        count = values.size if kind == "SCALAR" else len(values)
        accessors.append(
            {"bufferView": number, "componentType": type_, "count": count, "type": kind}
        )
        binary += _aligned(data, b"\0")
    accessors[0] |= {"min": points.min(0).tolist(), "max": points.max(0).tolist()}
    views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(jpeg)})
    binary += _aligned(jpeg, b"\0")
    tree = {
        "asset": {"version": "2.0", "generator": f"itportrait {__version__}"},
        "extensionsUsed": [_UNLIT],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "portrait"}],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2},
                        "indices": 3,
                        "material": 0,
                    }
                ]
            }
        ],
        "materials": [
            {
                "name": "portrait",
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0,
                    "roughnessFactor": 1,
                },
                "extensions": {_UNLIT: {}},
            }
        ],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"bufferView": 4, "mimeType": "image/jpeg"}],
        "samplers": [
            {"magFilter": _LINEAR, "minFilter": _MIPMAPS, "wrapS": _CLAMPED, "wrapT": _CLAMPED}
        ],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    head = _aligned(json.dumps(tree, separators=(",", ":")).encode(), b" ")
    chunks = b"".join(
        struct.pack("<I4s", len(data), name) + data
        for name, data in ((b"JSON", head), (b"BIN\0", binary))
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _aligned(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % 4)
