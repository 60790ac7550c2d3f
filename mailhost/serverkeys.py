"""The keys of the server: one file outside the database, read anew when it changes (X-034).

A server that never got a new key has a file with one line. Else the first line is the key that is
written with, and each line below says what else may be read:

    next KEY                      is to be the present one, once every machine has it
    former KEY                    was the present one; values may still be encrypted with it
    kept DATE OCTETS PURPOSE      what was derived from a key that is gone; it decrypts nothing
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from django.conf import settings

from blobs.locks import locked

Stamp = tuple[int, int, int]


class KeyFileBroken(Exception):
    """The file is no list of server keys."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Derived for one purpose from a key that is gone since that day."""

    purpose: str
    octets: bytes = field(repr=False)
    gone_on: date


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What the file says. `following` empty: there is none; of others the youngest comes first."""

    current: str = field(repr=False)
    following: str = field(default="", repr=False)
    former: tuple[str, ...] = field(default=(), repr=False)
    kept: tuple[Kept, ...] = ()

    @property
    def by_age(self) -> tuple[str, ...]:
        """All that may be read, the youngest first."""
        return (*filter(None, (self.following,)), self.current, *self.former)

    @property
    def others(self) -> tuple[str, ...]:
        """All that may be read but the present one."""
        return tuple(key for key in self.by_age if key != self.current)

    def encode(self) -> str:
        lines = [self.current]
        if self.following:
            lines.append(f"next {self.following}")
        lines += [f"former {key}" for key in self.former]
        lines += [f"kept {one.gone_on} {one.octets.hex()} {one.purpose}" for one in self.kept]
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> KeyFile:
        """Raises KeyFileBroken."""
        current, *lines = text.strip().split("\n")
        if not current.strip():
            raise KeyFileBroken("there is no key in it")
        following, former, kept = "", [], []
        for number, line in enumerate(lines, 2):
            word, _, rest = line.strip().partition(" ")
            if word == "next" and rest and not following:
                following = rest
            elif word == "former" and rest:
                former.append(rest)
            elif word == "kept":
                kept.append(_kept(rest, number))
            else:
                # The line itself may be a key: it is not told.
                raise KeyFileBroken(f"line {number} is not understood")
        return cls(current.strip(), following, tuple(former), tuple(kept))


def _kept(text: str, number: int) -> Kept:
    try:
        day, octets, purpose = text.split(" ", 2)
        return Kept(purpose, bytes.fromhex(octets), date.fromisoformat(day))
    except ValueError:
        raise KeyFileBroken(f"line {number} is not understood") from None


class ServerKeys:
    """The keys as this process knows them; `follow` takes in what another one has changed."""

    def __init__(self, path: Path) -> None:
        """Makes the file at first use. Raises OSError, KeyFileBroken."""
        self.path = path
        try:
            self.file, self._stamp = self._read()
        except FileNotFoundError:
            _make(path)
            self.file, self._stamp = self._read()

    def follow(self) -> None:
        """A glance at the file, about 2 us; to be asked before anything is written with a key."""
        try:
            if _stamp(self.path.stat()) == self._stamp:
                return
            self.file, stamp = self._read()
        except (OSError, KeyFileBroken):
            return  # whoever replaces it does so at once: what is known is still right
        # Django reads these at each use. At no moment is a key missing that was there.
        settings.SECRET_KEY_FALLBACKS = list(self.file.by_age)
        settings.SECRET_KEY = self.file.current
        settings.SECRET_KEY_FALLBACKS = list(self.file.others)
        self._stamp = stamp

    def write(self, fresh: KeyFile) -> None:
        """Others read the old file or the new one, whatever happens meanwhile. Raises OSError."""
        beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            fd = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(fresh.encode())
                file.flush()
                os.fsync(fd)
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.follow()

    def _read(self) -> tuple[KeyFile, Stamp]:
        with self.path.open() as file:
            return KeyFile.parse(file.read()), _stamp(os.fstat(file.fileno()))


def new_key() -> str:
    return secrets.token_urlsafe(48)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _make(path: Path) -> None:
    """Owner-readable. Of two first starts one key wins."""
    # Nobody else reads mail, keys or the database, whatever the umask.
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    with fresh.open("w") as file:
        file.write(KeyFile(new_key()).encode())
        file.flush()
        os.fsync(file.fileno())  # what is encrypted with it may be on the disk in a second
    try:
        path.hardlink_to(fresh)  # fails where the name exists
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


@contextmanager
def all_kept() -> Iterator[None]:
    """No key is dropped meanwhile by a process of this machine: copied values need theirs."""
    with locked("server-key", fcntl.LOCK_SH):
        yield


@contextmanager
def dropping() -> Iterator[None]:
    """Waits until nobody needs an old key for what he copies."""
    with locked("server-key", fcntl.LOCK_EX):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Raises BlockingIOError while another process is replacing the key."""
    with locked("new-server-key", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_free:
        if not is_free:
            raise BlockingIOError("another process is replacing the key")
        yield
