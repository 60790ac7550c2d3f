"""The signatures under which mail leaves, made once for each message (F-042, D-069)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import structlog

from blobs.errors import StoreError
from blobs.store import read_body
from clock.moments import utc_now
from domains import directory as domain_directory
from protocols.message import dkim, headers
from protocols.message.dkim import BodyHash, Signer
from signing import directory
from spool.models import Origin
from spool.work import ClaimedMessage

log = structlog.get_logger(__name__)

# Mail that its author, known by a log-in, or the server itself has written.
SIGNED_ORIGINS = frozenset({Origin.SUBMISSION, Origin.WEBMAIL, Origin.API, Origin.SERVER})
CHUNK_BYTES = 256 * 1024
MOST_REMEMBERED = 10_000  # messages that are tried again; some 1.2 KB each

MOST_POSTS_REMEMBERED = 100

_made: OrderedDict[int, bytes] = OrderedDict()
_hashes: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()  # of posts, by blob
_lock = threading.Lock()


def signature_for(message: ClaimedMessage, body: bytes | None) -> bytes:
    """The DKIM-Signature fields of a message as it lies in the spool; empty: it is not signed.

    `body` None: it is read here, in pieces. Raises StoreError.
    """
    if message.origin not in SIGNED_ORIGINS or not _may_be_signed(message):
        return b""
    known = _made.get(message.message_id)
    if known is not None:
        return known
    try:
        made = sign(message, [body] if body is not None else _pieces(message))
    except StoreError:
        raise
    except Exception:
        # One message that cannot be signed must not hold up all that was claimed with it.
        log.exception("mail leaves unsigned by a fault of ours", message=message.message_id)
        return b""
    with _lock:
        _made[message.message_id] = made
        if len(_made) > MOST_REMEMBERED:
            _made.popitem(last=False)
    return made


def sign_copy(message: ClaimedMessage, own: bytes, body: bytes | None) -> bytes:
    """The same of a list's copy for one subscriber, whose `own` fields stand before it (L-007).

    The list's domain signs, whoever is the author: it answers for what the list says of itself.
    The body is hashed once for all copies. Raises StoreError.
    """
    signers = _list_signers(message)
    if not signers:
        return b""
    try:
        head, digest = _hashed(message, body)
    except StoreError:
        raise
    except Exception:
        log.exception("mail leaves unsigned by a fault of ours", message=message.message_id)
        return b""
    at_seconds = int(utc_now().timestamp())
    return dkim.signatures(own + head, digest, signers, at_seconds=at_seconds)


def sign_converted(message: ClaimedMessage, copy: bytes) -> bytes:
    """The same of a whole copy that was changed on its way out."""
    signers = _list_signers(message)
    if not signers:
        return b""
    start, body_hash = headers.body_start(copy), BodyHash()
    body_hash.update(copy[start:])
    at_seconds = int(utc_now().timestamp())
    return dkim.signatures(copy[:start], body_hash.digest(), signers, at_seconds=at_seconds)


def _list_signers(message: ClaimedMessage) -> tuple[Signer, ...]:
    domain = None if message.domain_id is None else domain_directory.policy(message.domain_id)
    if domain is None or not domain.features.mail_signing:
        return ()
    return directory.signers(domain.domain_id).get(domain.name, ())


def _hashed(message: ClaimedMessage, body: bytes | None) -> tuple[bytes, bytes]:
    """The header of the stored post, and the digest of its body."""
    assert message.location is not None
    blob_id = message.location.blob_id
    known = _hashes.get(blob_id)
    if known is not None:
        return known
    head, body_hash = b"", BodyHash()
    for piece in [body] if body is not None else _pieces(message):
        if not head:
            start = headers.body_start(piece)
            head, piece = piece[:start], piece[start:]
        body_hash.update(piece)
    made = head, body_hash.digest()
    with _lock:
        _hashes[blob_id] = made
        if len(_hashes) > MOST_POSTS_REMEMBERED:
            _hashes.popitem(last=False)
    return made


def sign(message: ClaimedMessage, pieces: Iterable[bytes]) -> bytes:
    """The same for a message that may have been converted on its way out."""
    head, body_hash = b"", BodyHash()
    signers: tuple[Signer, ...] = ()
    for piece in pieces:
        if not head:
            start = headers.body_start(piece)
            head, piece = piece[:start], piece[start:]
            signers = _signers(message, head)
            if not signers:
                return b""
        body_hash.update(piece)
    if not signers:
        return b""
    at_seconds = int(utc_now().timestamp())
    return dkim.signatures(head, body_hash.digest(), signers, at_seconds=at_seconds)


def forget() -> None:
    with _lock:
        _made.clear()
        _hashes.clear()


def _may_be_signed(message: ClaimedMessage) -> bool:
    """From memory, so that what is not signed costs next to nothing."""
    if message.origin == Origin.SERVER:
        return True
    return message.domain_id is not None and bool(_keys(message.domain_id))


def _keys(domain_id: int) -> directory.Signers:
    domain = domain_directory.policy(domain_id)
    if domain is None or not domain.features.mail_signing:
        return {}
    return directory.signers(domain_id)


def _signers(message: ClaimedMessage, head: bytes) -> tuple[Signer, ...]:
    """The keys of the author's domain, if it is the sender's own."""
    found = dkim.author_domain(head)
    if found is None:
        return ()
    name = found.decode("ascii", "replace")
    if message.origin != Origin.SERVER:
        assert message.domain_id is not None
        return _keys(message.domain_id).get(name, ())
    # The server writes as its own host, too, which may be part of a domain here.
    labels = name.split(".")
    for start in range(len(labels) - 1):
        parent = ".".join(labels[start:])
        domain = domain_directory.by_name(parent)
        if domain is not None:
            return _keys(domain.domain_id).get(parent, ())
    return ()


def _pieces(message: ClaimedMessage) -> Iterator[bytes]:
    location = message.location
    assert location is not None
    for start in range(0, location.size_bytes, CHUNK_BYTES):
        yield read_body(location, start, start + CHUNK_BYTES)
