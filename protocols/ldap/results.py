"""How operations end. RFC 4511 §4.1.9, appendix A."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ResultCode(IntEnum):
    SUCCESS = 0
    OPERATIONS_ERROR = 1
    PROTOCOL_ERROR = 2
    TIME_LIMIT_EXCEEDED = 3
    SIZE_LIMIT_EXCEEDED = 4
    COMPARE_FALSE = 5
    COMPARE_TRUE = 6
    AUTH_METHOD_NOT_SUPPORTED = 7
    ADMIN_LIMIT_EXCEEDED = 11
    UNAVAILABLE_CRITICAL_EXTENSION = 12
    CONFIDENTIALITY_REQUIRED = 13
    NO_SUCH_ATTRIBUTE = 16
    UNDEFINED_ATTRIBUTE_TYPE = 17
    NO_SUCH_OBJECT = 32
    INVALID_DN_SYNTAX = 34
    INVALID_CREDENTIALS = 49
    INSUFFICIENT_ACCESS_RIGHTS = 50
    BUSY = 51
    UNAVAILABLE = 52
    UNWILLING_TO_PERFORM = 53
    OTHER = 80

    @property
    def words(self) -> str:
        """As the RFC writes it: noSuchObject(32)."""
        first, *rest = self.name.lower().split("_")
        name = first + "".join("DN" if word == "dn" else word.capitalize() for word in rest)
        return f"{name}({self.value})"


@dataclass(frozen=True, slots=True)
class Result:
    """Strangers read the text: it says what went wrong for them, never how this server is built."""

    code: ResultCode
    text: str = ""
    matched: str = ""  # RFC 4511 §4.1.9: how far a name was found


SUCCESS = Result(ResultCode.SUCCESS)
OWN_FAULT = Result(ResultCode.OTHER, "An error of this server; it has been written down.")
NO_SUCH_OBJECT = Result(ResultCode.NO_SUCH_OBJECT)
LOGIN_FAILED = Result(ResultCode.INVALID_CREDENTIALS)
LOGIN_FIRST = Result(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "Log in first.")
READ_ONLY = Result(ResultCode.UNWILLING_TO_PERFORM, "This directory is read-only.")
TLS_FIRST = Result(ResultCode.CONFIDENTIALITY_REQUIRED, "Start TLS before logging in.")
