"""The PEM files: keys that only the server's user can read, replaced in one step."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from django.conf import settings

from certificates import pem
from certificates.errors import CertificateRefused
from certificates.names import DEFAULT, host_of, stem_of, stems_for
from certificates.pem import Bundle
from certificates.terms import server_context


def folder() -> Path:
    made: Path = settings.MAILHOST_CERTIFICATES
    return made


def path_of(host: str) -> Path:
    return folder() / f"{stem_of(host)}.pem"


def stamps() -> dict[str, int]:
    """Each host that has a file, with the moment of its last change in nanoseconds."""
    found = {}
    for path in sorted(folder().glob("*.pem")):
        try:
            found[host_of(path.stem)] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # removed meanwhile
    return found


def write(host: str, bundle: Bundle) -> int:
    """Put it in the place of what was there; the new file's stamp. Raises CertificateRefused."""
    path = path_of(host)
    with _private_file(path, bundle.encode()) as fresh:
        try:
            # The last word has what will serve it.
            server_context().load_cert_chain(fresh)
        except OSError as error:  # ssl.SSLError is one
            raise CertificateRefused(f"OpenSSL refuses it: {error}") from error
        stamp = fresh.stat().st_mtime_ns
        fresh.replace(path)
    _sync(path.parent)
    return stamp


def read(path: Path) -> Bundle:
    """Raises CertificateRefused, also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(pem.LONGEST_BYTES + 1)
    except OSError as error:
        raise CertificateRefused(f"{path.name} cannot be read: {error.strerror}") from error
    return pem.parse(found, found)


def remove(host: str) -> None:
    path_of(host).unlink(missing_ok=True)
    _sync(folder())


def shown_without_name(hostname: str) -> Path:
    """The file for clients that name no host: the one of `hostname`, or default.pem.

    Files that no TLS library would take are passed over. Raises CertificateRefused for the last.
    """
    for stem in stems_for(hostname):
        path = folder() / f"{stem}.pem"
        try:
            read(path)
        except CertificateRefused:
            continue
        return path
    path = folder() / f"{DEFAULT}.pem"
    read(path)
    return path


def account_key(directory_url: str, make: Callable[[], bytes]) -> bytes:
    """The key by which one ACME server knows this one; `make` gives a first one."""
    name = sha256(directory_url.encode()).hexdigest()[:16]
    path: Path = settings.MAILHOST_DATA / "keys" / f"acme-{name}.pem"
    if not path.exists():
        with _private_file(path, make()) as fresh:
            try:
                # A hard link fails where the name exists: of two first orders one key wins.
                path.hardlink_to(fresh)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        _sync(path.parent)
    return path.read_bytes()


@contextmanager
def _private_file(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside `path`, on the disk, readable by its owner alone; gone if it is not used."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.stem[:200]}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
