"""A folder of Reports as one `.tar.gz`, and back. Plain files and folders only, in both directions.

Written aside, flushed, read back and compared before it gets its name: a name stands for a whole archive. Memory does
not grow with the number of files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from orchestrator.domain.errors import ArchiveDamaged
from orchestrator.engine.files import sync_folder

# gzip's own default: half as fast again at half of it, for a tenth more bytes.
_LEVEL = 6
_CHUNK_BYTES = 1024 * 1024
_NAME_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an archive holds.

    Attributes:
        bytes: of the files' contents.
        digest: of every name and content, in their order; 64 hex digits.
        skipped: names of what is neither file nor folder (links, pipes) and was left out.
    """

    files: int
    bytes: int
    digest: str
    skipped: tuple[str, ...] = ()


def pack(folder: Path, archive: Path) -> Contents:
    """Write the folder's files into the archive, under the folder's name, in the place of one that stands there.

    Raises:
        ArchiveDamaged: what was written reads back as something else.
        OSError: the disk is full, a file cannot be read; no archive was written and the files are as they were.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}.")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            written = _write(folder, file)
            file.flush()
            os.fsync(file.fileno())
        _compare(inspect(aside), written, archive)
        aside.replace(archive)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(archive.parent)
    return written


def inspect(archive: Path) -> Contents:
    """What the archive holds, every byte read; raises `ArchiveDamaged`."""
    tally = _Tally()
    with _members(archive) as members:
        for member, file in members:
            tally.add(os.fsencode(member.name), file)
    return tally.contents()


def unpack(archive: Path, folder: Path) -> Contents:
    """Write the archive's files below a folder, which must be empty; raises `ArchiveDamaged`, the folder as it is then.

    Nothing is written outside of it: no link is made, so that none can be followed.
    """
    tally = _Tally()
    with _members(archive) as members:
        for member, file in members:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o644), "wb") as out:
                tally.add(os.fsencode(member.name), file, out)
                out.flush()
                os.fsync(out.fileno())
            os.utime(path, (member.mtime, member.mtime))
    return tally.contents()


def _compare(read: Contents, written: Contents, archive: Path) -> None:
    if (read.files, read.bytes, read.digest) != (written.files, written.bytes, written.digest):
        raise ArchiveDamaged(f"{archive}: reads back otherwise than it was written; check the disk")


class _Tally:
    """Files, bytes and the digest, file by file."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self.files = 0
        self.bytes = 0

    def add(self, name: bytes, file: IO[bytes], out: IO[bytes] | None = None) -> None:
        content = hashlib.sha256()
        size = 0
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
            size += len(chunk)
            if out is not None:
                out.write(chunk)
        self.count(name, size, content.digest())

    def count(self, name: bytes, size: int, content: bytes) -> None:
        self._whole.update(b"%d %d " % (len(name), size) + name + content)
        self.files += 1
        self.bytes += size

    def contents(self, skipped: tuple[str, ...] = ()) -> Contents:
        return Contents(files=self.files, bytes=self.bytes, digest=self._whole.hexdigest(), skipped=skipped)


class _Hashing:
    """A file whose bytes are hashed as tarfile reads them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.sha256.update(chunk)
        return chunk


def _write(folder: Path, file: IO[bytes]) -> Contents:
    tally = _Tally()
    skipped: list[str] = []
    # The name in gzip's header would be that of the file aside.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=_LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK_BYTES) as tar,
    ):
        for name, path in _files(folder, skipped, below=f"{folder.name}/"):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as content:
                status = os.fstat(content.fileno())
                member = tarfile.TarInfo(name)
                member.size, member.mtime, member.mode = status.st_size, int(status.st_mtime), 0o644
                hashing = _Hashing(content)
                tar.addfile(member, hashing)
            tar.members = []  # type: ignore[attr-defined]  # kept for a listing that nobody asks for
            tally.count(os.fsencode(name), member.size, hashing.sha256.digest())
    return tally.contents(tuple(skipped))


def _files(folder: Path, skipped: list[str], below: str) -> Iterator[tuple[str, Path]]:
    """Plain files below the folder in the order of their names; what the name of each begins with is `below`."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), skipped, f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield name, Path(entry.path)
        else:
            skipped.append(name)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    """The plain files of an archive, each with its content to be read before the next."""
    try:
        fd = os.open(archive, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ArchiveDamaged(f"{archive}: is no plain file")
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                with tarfile.open(fileobj=unpacked, mode="r|", bufsize=_CHUNK_BYTES) as tar:
                    yield _checked(tar, archive)
                # gzip's checksum comes last, and is looked at when the end is read.
                while unpacked.read(_CHUNK_BYTES):
                    pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise ArchiveDamaged(f"{archive}: is damaged ({error}); nothing was changed") from error
    except FileNotFoundError as error:
        raise ArchiveDamaged(f"{archive}: is gone; bring it back from a backup") from error


def _checked(tar: tarfile.TarFile, archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # as above
        if member.isdir():
            continue
        parts = member.name.split("/")
        plain = member.isreg() and not member.issparse()
        if not plain or not all(parts) or {".", ".."} & set(parts) or len(os.fsencode(member.name)) > _NAME_BYTES:
            raise ArchiveDamaged(
                f"{archive}: holds {member.name[:200]!r}, which is no plain file below its folder; it is not restored"
            )
        file: Any = tar.extractfile(member)
        yield member, file
