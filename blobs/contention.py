"""Trying a transaction again that other writers got in the way of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

from blobs.failures import is_contention

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 5
PAUSE_SECONDS = 0.1  # at most, and longer each time


def tried_again(transact: Callable[P, T]) -> Callable[P, T]:
    """For what is one whole transaction, and after it has failed changes nothing but rows.

    Two processes that wait for each other's rows: PostgreSQL ends one of them, whoever it is.
    Inside another transaction it is tried only once, for that one is lost with it.
    """

    @wraps(transact)
    def try_some_times(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in count(1):
            try:
                return transact(*args, **kwargs)
            except OperationalError as error:
                is_inside = connection.in_atomic_block
                if attempt == TRIES or is_inside or not is_contention(error):
                    raise
            time.sleep(random.uniform(0, PAUSE_SECONDS * attempt))
        raise AssertionError("counting never ends")

    return try_some_times
