"""How django-q2 signs what it queues: with the server key as it is now, not as it once was read.

Parts of a server run for months, and commands come and go: with a key of its import each, one
would refuse what the other has queued as soon as the server has a new key (X-034).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django_q import core_signing
from django_q.conf import Conf
from django_q.signing import PickleSerializer, SignedPackage


def install() -> None:
    """For this process, whatever of django-q2 it has imported already."""
    SignedPackage.dumps = staticmethod(_dumps)
    SignedPackage.loads = staticmethod(_loads)


def _dumps(package: Any, compressed: bool = Conf.COMPRESSED) -> str:
    settings.MAILHOST_SERVER_KEYS.follow()
    signed: str = core_signing.dumps(
        package,
        key=settings.SECRET_KEY,
        salt=Conf.PREFIX,
        compress=compressed,
        serializer=PickleSerializer,
    )
    return signed


def _loads(signed: str) -> Any:
    """Raises BadSignature."""
    settings.MAILHOST_SERVER_KEYS.follow()
    refused: Exception = core_signing.BadSignature("no key")
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return core_signing.loads(
                signed, key=key, salt=Conf.PREFIX, serializer=PickleSerializer
            )
        except core_signing.BadSignature as error:
            refused = error
    raise refused
