"""Whether a tree's files are those of its index, told without a git process: a thousand trees cost a thousand looks.

Asks what `git status` asks: each file's times, size, inode and mode as they were when the index was written, and its
content where the file is as young as the index. Whatever it does not know is "no", and git is asked.

The index's form: gitformat-index(5), versions 2 and 3.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(">4sII")
_ENTRY = struct.Struct(">10I20sH")
_EXTENSION = struct.Struct(">4sI")
_ASSUME_VALID, _EXTENDED, _STAGE, _NAME = 0x8000, 0x4000, 0x3000, 0x0FFF
_CHECKSUM_BYTES = 20
_LOW = 0xFFFFFFFF
# Larger young files are left to git.
_HASHED_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    times: tuple[int, int, int, int]
    inode: int
    mode: int
    size: int
    blob: bytes


class _Unknown(Exception):
    """An index that this module does not read."""


def is_unchanged(tree: Path, index: Path, *, tree_id: str) -> bool:
    """Whether every file below `tree` is as the index has it, none is missing and none is new, ignored ones included.

    Args:
        index: written by our git, whole.
        tree_id: of the git tree that the index has to stand for.
    """
    try:
        written = index.stat()
        entries, root = _read(index.read_bytes())
        if root != tree_id:
            return False
        found = 0
        for path, status in _files(os.fsencode(tree)):
            entry = entries.get(path)
            if entry is None or not _is_same(entry, status, _join(os.fsencode(tree), path), written.st_mtime_ns):
                return False
            found += 1
        return found == len(entries)
    except (OSError, _Unknown, struct.error, ValueError, IndexError):
        return False


def _read(data: bytes) -> tuple[dict[bytes, _Entry], str]:
    """Entries by path, and the id of the git tree that all of them make."""
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC" or version not in (2, 3):
        raise _Unknown
    at = _HEADER.size
    entries: dict[bytes, _Entry] = {}
    for _ in range(count):
        values = _ENTRY.unpack_from(data, at)
        flags = values[11]
        # Entries under these are not compared with the files, or stand for something else.
        if flags & (_ASSUME_VALID | _EXTENDED | _STAGE):
            raise _Unknown
        begin = at + _ENTRY.size
        end = data.index(b"\0", begin) if flags & _NAME == _NAME else begin + (flags & _NAME)
        entries[data[begin:end]] = _Entry(
            times=values[:4], inode=values[5], mode=values[6], size=values[9], blob=values[10]
        )
        # NULs up to a multiple of eight, at least one.
        at += (end - at + 8) // 8 * 8
    return entries, _root(data, at)


def _root(data: bytes, at: int) -> str:
    while at < len(data) - _CHECKSUM_BYTES:
        name, size = _EXTENSION.unpack_from(data, at)
        at += _EXTENSION.size
        if name == b"TREE":
            # The path (empty), how many entries (-1: changed since), how many folders, the tree's id.
            path, _, rest = data[at : at + size].partition(b"\0")
            counts, _, rest = rest.partition(b"\n")
            if path == b"" and not counts.startswith(b"-"):
                return rest[:20].hex()
            raise _Unknown
        if not name[:1].isupper():
            raise _Unknown  # the index cannot be understood without it
        at += size
    raise _Unknown


def _files(root: bytes, below: bytes = b"") -> Iterator[tuple[bytes, os.stat_result]]:
    with os.scandir(_join(root, below)) as listed:
        for entry in listed:
            path = _join(below, entry.name)
            if path == b".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(root, path)
            else:
                yield path, entry.stat(follow_symlinks=False)


def _join(folder: bytes, name: bytes) -> bytes:
    # Bytes, as git has them: a name need not be text.
    return folder + b"/" + name if folder and name else folder or name


def _is_same(entry: _Entry, status: os.stat_result, path: bytes, written_ns: int) -> bool:
    second = 1_000_000_000
    times = (*divmod(status.st_ctime_ns, second), *divmod(status.st_mtime_ns, second))
    if times != entry.times or status.st_ino & _LOW != entry.inode or status.st_size & _LOW != entry.size:
        return False
    if stat.S_ISLNK(status.st_mode):
        mode = 0o120000
    elif stat.S_ISREG(status.st_mode):
        mode = 0o100755 if status.st_mode & 0o100 else 0o100644
    else:
        return False
    if mode != entry.mode:
        return False
    # Within one tick of the clock a file can change after it was read and keep its time.
    young = max(status.st_mtime_ns, status.st_ctime_ns) >= written_ns
    return not young or (status.st_size <= _HASHED_BYTES and _blob(path, link=mode == 0o120000) == entry.blob)


def _blob(path: bytes, *, link: bool) -> bytes:
    if link:
        content = os.readlink(path)  # noqa: PTH115 — Path takes no bytes
    else:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            content = file.read(_HASHED_BYTES + 1)
    # git names objects by SHA-1; it protects nothing here.
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).digest()
