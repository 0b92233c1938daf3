"""The upload's name, computed from the contract alone, without a look at the program's own code.

docs/mapping-file.md: the expanded `upload_name`, with a tag before the ending. The tag is the first 12 hex digits of
SHA-256 over the raw expanded bytes, one NUL, and the content's SHA-256. Bytes that are not UTF-8 are percent-encoded.
The whole name is cut to 255 bytes, before the tag, never inside a character or an escape.
"""

from __future__ import annotations

import codecs
import hashlib
import re

LONGEST = 255
TAG_DIGITS = 12
# A second suffix counts as part of the ending where both together are no longer than this.
LONGEST_DOUBLE_ENDING = 12
TAGGED = re.compile(r"-[0-9a-f]{12}(\.[^/]*)?$")


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(f"%{byte:02X}" for byte in wrong), error.end


codecs.register_error("percent", _escape)


def encode(raw: bytes) -> str:
    """UTF-8 as it is; every other byte as %XX."""
    return raw.decode("utf-8", errors="percent")


def ending(raw: bytes) -> bytes:
    """`.csv` of `a/b.csv`, `.csv.gz` of `a/b.csv.gz`, nothing of `a.d/b`. A dot that begins a name begins no ending."""
    name = raw.rsplit(b"/", 1)[-1]
    dot = name.rfind(b".")
    if dot <= 0:
        return b""
    last = name[dot:]
    if last in (b".gz", b".zip"):
        before = name.rfind(b".", 0, dot)
        if before > 0 and len(encode(name[before:])) <= LONGEST_DOUBLE_ENDING:
            return name[before:]
    return last


def tag(raw: bytes, sha256: bytes) -> str:
    return hashlib.sha256(raw + b"\0" + sha256).hexdigest()[:TAG_DIGITS]


def _cut(raw: bytes, limit: int) -> str:
    """As much of the encoded text as fits into `limit` bytes, in whole characters and whole escapes."""
    pieces: list[str] = []
    room = limit
    position = 0
    while position < len(raw):
        for length in (1, 2, 3, 4):
            try:
                piece = raw[position : position + length].decode("utf-8")
                break
            except UnicodeDecodeError:
                continue
        else:
            length, piece = 1, f"%{raw[position]:02X}"
        if len(piece.encode()) > room:
            break
        pieces.append(piece)
        room -= len(piece.encode())
        position += length
    return "".join(pieces)


def upload_name(
    path: bytes, sha256: bytes, template: str = "{path}", mapping: str = "", host: str = ""
) -> str:
    """The name under which the contract registers the content `sha256` (32 raw bytes) at `path` below its folder."""
    name = path.rsplit(b"/", 1)[-1]
    suffix = ending(name)
    values = {
        b"{path}": path,
        b"{name}": name,
        b"{stem}": name[: len(name) - len(suffix)],
        b"{extension}": suffix[1:],
        b"{mapping}": mapping.encode(),
        b"{host}": host.encode(),
    }
    raw = re.sub(rb"\{[a-z]+\}", lambda match: values[match.group(0)], template.encode())
    last = ending(raw)
    behind = f"-{tag(raw, sha256)}{encode(last)}"
    if len(behind.encode()) > LONGEST:
        # An ending that leaves no room is text like any other; the tag stands last.
        last, behind = b"", f"-{tag(raw, sha256)}"
    stem = raw[: len(raw) - len(last)]
    return _cut(stem, LONGEST - len(behind.encode())) + behind
