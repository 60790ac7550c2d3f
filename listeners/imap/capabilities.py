"""What the server can, told in greeting and CAPABILITY."""

from __future__ import annotations

from protocols.imap.responses import capability_code

_ALWAYS = ("IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "ENABLE")
_LOGGED_IN = (
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "CHILDREN",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "APPENDLIMIT",
)


def for_stranger(*, mechanisms: tuple[str, ...], may_start_tls: bool) -> tuple[str, ...]:
    """Before login. Without PLAIN the LOGIN command is refused too (N-006)."""
    names = [*_ALWAYS]
    if may_start_tls:
        names.append("STARTTLS")
    if "PLAIN" not in mechanisms:
        names.append("LOGINDISABLED")
    names.extend(f"AUTH={mechanism}" for mechanism in mechanisms)
    return tuple(names)


LOGGED_IN = (*_ALWAYS, *_LOGGED_IN)
LOGGED_IN_CODE = capability_code(LOGGED_IN)
