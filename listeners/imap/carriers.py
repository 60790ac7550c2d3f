"""Which function carries out which command."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from protocols.imap.responses import Status

if TYPE_CHECKING:
    from listeners.imap.session import Session

# None: the command has not ended yet, or has answered for itself.
Answer = Status | None
# What needs no waiting is answered at once; a coroutine is run beside other sessions.
Carried = Answer | Coroutine[Any, Any, Answer]
C = TypeVar("C")
CarryOut = Callable[["Session", C], Carried]

CARRIERS: dict[type[Any], CarryOut[Any]] = {}


def carries_out(kind: type[C]) -> Callable[[CarryOut[C]], CarryOut[C]]:
    """Register the function for the commands of one class."""

    def register(function: CarryOut[C]) -> CarryOut[C]:
        CARRIERS[kind] = function
        return function

    return register
