"""The index of a domain's mail: a file of lines that says in which folders its messages are.

Segments hold the bytes and nothing else; this file has folders, UIDs, flags and subscriptions,
so that a domain's folder is enough to bring its mail back (D-013, X-032). Each line is a JSON
object of its own, and nothing in it is believed before it was looked at.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from accounts import secrets
from mailboxes.errors import FolderNameInvalid
from mailboxes.flags import KEYWORD
from mailboxes.folders import check_name
from mailboxes.models import SpecialUse
from mailboxes.standard import INBOX

NAME = "index.jsonl"
# What somebody else wrote there: another server, or a backup.
FOUND = "index.found.jsonl"
PURPOSE = "index"  # of the key that seals are made with
IMPORTED = "index.imported.jsonl"
FORMAT = 1
LONGEST_LINE = 128 << 10

# Room for further UIDs stays above them: RFC 9051 §2.3.1.1 ends at 2**32 - 1.
_Uid = Annotated[int, Meta(ge=1, le=4_000_000_000)]
_UidNext = Annotated[int, Meta(ge=1, le=4_000_000_001)]
_Validity = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
_ModSeq = Annotated[int, Meta(ge=1, le=1 << 61)]
_Number = Annotated[int, Meta(ge=1, le=1 << 40)]
_Moment = Annotated[int, Meta(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999)]
_LocalPart = Annotated[str, Meta(min_length=1, max_length=256)]
_Name = Annotated[str, Meta(min_length=1, max_length=1000)]

# Lines of a header that may stand before a message; an empty one would end the header.
_PREFIX = re.compile(r"(?:[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]+\r\n)*")


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all lines share: nothing but that `kind` says which they are."""


class Head(Line, frozen=True, kw_only=True, tag="index"):
    """The first line."""

    format: int
    domain: Annotated[str, Meta(max_length=255)]
    made_at: _Moment  # microseconds
    state: Annotated[str, Meta(max_length=64)] = ""  # for whoever asks whether it is still true


class FolderLine(Line, frozen=True, kw_only=True, tag="folder"):
    """A folder; the lines of its messages follow, by rising UID."""

    number: _Number  # of this line among folders: its messages name it
    user: _LocalPart
    name: _Name
    special_use: SpecialUse = SpecialUse.NONE
    uidvalidity: _Validity
    uid_next: _UidNext
    highest_modseq: _ModSeq
    recent_uid: Annotated[int, Meta(ge=0, le=4_000_000_000)] = 0

    def check(self) -> None:
        """Raises ValueError."""
        try:
            normal = check_name(self.name)
        except FolderNameInvalid as error:
            raise ValueError(str(error)) from None
        if normal != self.name:
            raise ValueError("the name of the folder is not in its normal form")
        if (self.name == INBOX) != (self.special_use == SpecialUse.INBOX):
            raise ValueError("the Inbox, and it alone, is called INBOX")


class MessageLine(Line, frozen=True, kw_only=True, tag="message"):
    """A message in the folder before."""

    folder: _Number
    uid: _Uid
    modseq: _ModSeq
    flags: Annotated[int, Meta(ge=0, le=31)] = 0  # bits of `Flag`
    keywords: Annotated[str, Meta(max_length=8192)] = ""
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$", max_length=32)]  # of the bytes
    prefix: Annotated[str, Meta(max_length=16384)] = ""
    received_at: _Moment
    saved_at: _Moment

    def check(self) -> None:
        """Raises ValueError."""
        if self.keywords and not all(map(KEYWORD.fullmatch, self.keywords.split(" "))):
            raise ValueError("the keywords are malformed")
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError("the lines before the message are no header")


class SubscriptionLine(Line, frozen=True, kw_only=True, tag="subscription"):
    """A folder that a user wants listed."""

    user: _LocalPart
    name: _Name

    def check(self) -> None:
        """Raises ValueError."""
        try:
            check_name(self.name)
        except FolderNameInvalid as error:
            raise ValueError(str(error)) from None


class End(Line, frozen=True, kw_only=True, tag="end"):
    """The last line: without it the file is cut short. `seal` empty: anybody may have made it."""

    lines: int  # before this one
    seal: Annotated[str, Meta(max_length=64)] = ""


AnyLine = Head | FolderLine | MessageLine | SubscriptionLine | End
_decoder = msgspec.json.Decoder(AnyLine)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that says nothing that could be done."""

    number: int  # from 1
    reason: str

    def __str__(self) -> str:
        return f"line {self.number:,} of the index: {self.reason}"


class IndexBroken(Exception):
    """The file is there and is no index at all."""


class IndexWriter:
    """Writes the lines of one index; `end` writes the last one."""

    def __init__(self, file: BinaryIO, *, domain_id: int | None) -> None:
        """`domain_id` None: without a seal, so that every server takes it for news."""
        self._file = file
        self._seal = None
        if domain_id is not None:
            self._seal = _begin_seal(domain_id, secrets.derive(PURPOSE))
        self.lines = 0

    def write(self, line: AnyLine) -> None:
        octets = _encoder.encode(line) + b"\n"
        if self._seal is not None:
            self._seal.update(octets)
        self._file.write(octets)
        self.lines += 1

    def end(self) -> None:
        seal = "" if self._seal is None else self._seal.hexdigest()
        self._file.write(_encoder.encode(End(lines=self.lines, seal=seal)) + b"\n")


def read_head(path: Path) -> Head:
    """Raises IndexBroken, OSError."""
    with _open(path) as file:
        try:
            head = _decoder.decode(file.readline(LONGEST_LINE))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IndexBroken(str(error)) from None
    if not isinstance(head, Head):
        raise IndexBroken("it does not begin as an index does")
    if head.format != FORMAT:
        raise IndexBroken("it is of another format")
    return head


def lines_of(path: Path) -> Iterator[FolderLine | MessageLine | SubscriptionLine | Malformed]:
    """What follows the first line, each looked at by itself. Raises OSError, IndexBroken."""
    with _open(path) as file:
        number, has_ended = 0, False
        for number, octets in enumerate(_split(file), 1):
            if number == 1:
                continue
            if has_ended:
                yield Malformed(number, "something follows the end")
                return
            line = _read_line(number, octets)
            if isinstance(line, End):
                has_ended = True
                if line.lines != number - 1:
                    yield Malformed(number, f"{line.lines:,} lines should be before it")
            elif isinstance(line, Head):
                yield Malformed(number, "a second beginning")
            else:
                yield line
        if not has_ended:
            yield Malformed(number, "the file is cut short behind it")


def is_ours(path: Path, domain_id: int) -> bool:
    """Whether nothing can be learnt from it: this server wrote it for that domain.

    Raises OSError, IndexBroken.
    """
    seals = [_begin_seal(domain_id, key) for key in secrets.derivations(PURPOSE)]
    last = b""
    with _open(path) as file:
        for octets in _split(file):
            if octets is None:
                return False
            for seal in seals:
                seal.update(last)
            last = octets
    try:
        end = _decoder.decode(last)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(end, End) and any(
        hmac.compare_digest(end.seal.encode(), seal.hexdigest().encode()) for seal in seals
    )


def found(folder: Path, domain_id: int) -> Path | None:
    """The index that somebody else wrote; None: there is none. Raises OSError, IndexBroken."""
    for name in (FOUND, NAME):
        path = folder / name
        if os.path.lexists(path) and not is_ours(path, domain_id):
            return path
    return None


def set_aside(folder: Path, domain_id: int) -> None:
    """What was found has been imported. Raises OSError."""
    while True:
        try:
            path = found(folder, domain_id)
        except IndexBroken:
            return
        if path is None:
            return
        path.rename(folder / IMPORTED)


def _begin_seal(domain_id: int, key: bytes) -> Any:
    return hmac.new(key, str(domain_id).encode(), "sha256")


def _open(path: Path) -> BinaryIO:
    # Neither a link to somebody else's file nor a pipe at which one would wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise IndexBroken("it is no file")
    return os.fdopen(fd, "rb", buffering=1 << 20)


def _split(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines with their ends; None: one that is longer than any line may be."""
    while octets := file.readline(LONGEST_LINE):
        if octets.endswith(b"\n") or len(octets) < LONGEST_LINE:
            yield octets
            continue
        while (octets := file.readline(LONGEST_LINE)) and not octets.endswith(b"\n"):
            pass
        yield None


def _read_line(number: int, octets: bytes | None) -> AnyLine | Malformed:
    if octets is None:
        return Malformed(number, "it is too long")
    try:
        line: AnyLine = _decoder.decode(octets)
        if isinstance(line, FolderLine | MessageLine | SubscriptionLine):
            line.check()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return Malformed(number, str(error)[:200])
    return line


def write_lines(file: BinaryIO, lines: Iterable[AnyLine], *, domain_id: int | None) -> int:
    """How many were written."""
    writer = IndexWriter(file, domain_id=domain_id)
    for line in lines:
        writer.write(line)
    writer.end()
    return writer.lines
