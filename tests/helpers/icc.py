"""ICC profiles made from their numbers, so that tests need no file of anybody's."""

import struct

import numpy as np

BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D50, D65 = np.array([0.9642, 1.0, 0.8249]), np.array([0.95047, 1.0, 1.08883])
SPACES = {
    # Name: xy of red, green and blue, white, gamma.
    "Display P3": (((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), D65, "sRGB"),
    "Adobe RGB (1998)": (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, 563 / 256),
    "ProPhoto RGB": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50, 1.8),
    "sRGB IEC61966-2.1": (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), D65, "sRGB"),
}


def matrix_to_xyz(name: str) -> np.ndarray:
    """Return `[3, 3]` from linear RGB of a space to XYZ under D50."""
    primaries, white, _ = SPACES[name]
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    scaled = columns * np.linalg.solve(columns, white)
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    return np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ scaled


def to_linear(values: np.ndarray, name: str) -> np.ndarray:
    """Decode values in [0, 1] of a space."""
    gamma = SPACES[name][2]
    if gamma == "sRGB":
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return values**gamma


def from_linear(values: np.ndarray, name: str) -> np.ndarray:
    """Encode linear values, cut to [0, 1], of a space."""
    cut, gamma = np.clip(values, 0, 1), SPACES[name][2]
    if gamma == "sRGB":
        return np.where(cut <= 0.0031308, cut * 12.92, 1.055 * cut ** (1 / 2.4) - 0.055)
    return cut ** (1 / gamma)


def in_space(srgb: np.ndarray, name: str) -> np.ndarray:
    """Return uint8 sRGB pixels as the values in [0, 1] that a space gives the same colors."""
    linear = to_linear(srgb / 255, "sRGB IEC61966-2.1")
    matrix = np.linalg.inv(matrix_to_xyz(name)) @ matrix_to_xyz("sRGB IEC61966-2.1")
    return from_linear(linear @ matrix.T, name)


def rgb_profile(name: str) -> bytes:
    """Return the profile of one of `SPACES`."""
    gamma = SPACES[name][2]
    if gamma == "sRGB":
        points = to_linear(np.linspace(0, 1, 1024), name)
        curve = _curve((points * 65535).round().astype(int))
    else:
        curve = _curve([round(gamma * 256)])
    xyz = dict(zip(("rXYZ", "gXYZ", "bXYZ"), (_xyz(c) for c in matrix_to_xyz(name).T)))
    tags = {**xyz, **dict.fromkeys(("rTRC", "gTRC", "bTRC"), curve)}
    return profile("RGB ", "XYZ ", tags, name)


def gray_profile(gamma: float) -> bytes:
    """Return a profile of gray values that are raised to `gamma`."""
    return profile("GRAY", "XYZ ", {"kTRC": _curve([round(gamma * 256)])}, f"Gray {gamma:g}")


def cmyk_profile() -> bytes:
    """Return a profile of inks that multiply; its table has the sixteen corners alone."""
    inks = np.array([(0.2, 0.8, 1), (1, 0.2, 0.7), (1, 0.95, 0.1), (0.05, 0.05, 0.05)])
    corners = np.array([[i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(16)])
    linear = np.where(corners[..., None] == 1, inks, 1.0).prod(axis=1)
    ratio = linear @ matrix_to_xyz("sRGB IEC61966-2.1").T / D50
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    lightness, a, b = (
        116 * root[:, 1] - 16,
        500 * (root[:, 0] - root[:, 1]),
        200 * (root[:, 1] - root[:, 2]),
    )
    table = np.stack([lightness * 2.55, a + 128, b + 128], axis=1).round().clip(0, 255)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *[65536 if i % 4 == 0 else 0 for i in range(9)])
    body = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity
    body += ramp * 4 + table.astype(np.uint8).tobytes() + ramp * 3
    return profile("CMYK", "Lab ", {"A2B0": body}, "Sixteen inks", kind="prtr")


def profile(
    space: str, connection: str, tags: dict[str, bytes], name: str, kind: str = "mntr"
) -> bytes:
    """Put a profile of version 2.1 together."""
    text = name.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(12 + 67)
    entries = {"desc": described, "wtpt": _xyz(D50), "cprt": b"text" + bytes(4) + b"none\0", **tags}
    start, table, body = 128 + 4 + 12 * len(entries), b"", b""
    for tag, data in entries.items():
        table += tag.encode() + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, *(
        text.encode() for text in (kind, space, connection)
    ))  # fmt: skip
    header += bytes(12) + b"acsp" + bytes(28) + _xyz(D50)[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(entries)) + table + body


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(points) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(points)}H", len(points), *points)
