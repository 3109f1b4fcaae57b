"""Names that the system allows and that programs trip over."""

import os

ODD_NAMES = [
    "two words",
    " leading and trailing ",
    "tab\there",
    "new\nline",
    "it's",
    'a "quote"',
    "back`tick$(x)$HOME",
    "back\\slash",
    "hash#mark",
    "#comment",
    "100%",
    "50%20off%zz",
    "what?",
    "a?b=c&d",
    "star*",
    "[1]",
    "[!a]",
    "{a,b}",
    "{000..002}",
    "{runs}",
    "a::b",
    "zip::x",
    "key: value",
    "&anchor",
    "semi;colon|pipe",
    "<b>tag&amp;",
    "comma,dot..",
    "equals=x",
    "at@host",
    "caret^!tilde~end",
    "~tilde",
    "-dash",
    "--help",
    "..leading dots",
    "null",
    "s3:",
    "äöü ß",
    "a\u0308 combining",
    "日本語の肖像",
    "עברית مرحبا",
    "\u202egnp.right to left",
    "emoji \U0001f469\u200d\U0001f3a8",
    "\u00a0no-break",
    "x" * 180,
    "ü" * 88,
]
"""All valid UTF-8. A leading dot is apart: a folder's hidden files are no inputs."""

NOT_UTF8 = [
    os.fsdecode(name) for name in (b"caf\xe9", b"\xff\xfe", b"\x80 of \xc3(", b"cut \xe6\x97")
]
"""As Python passes them on: their bytes as surrogates."""
