"""Trying a transaction again that other writers got in the way of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection

from blobs.failures import is_contention, is_taken

P = ParamSpec("P")
T = TypeVar("T")

TRIES = 5
PAUSE_SECONDS = 0.1  # at most, and longer each time


def tried_again(transact: Callable[P, T]) -> Callable[P, T]:
    """For what is one whole transaction, and after it has failed changes nothing but rows.

    Two processes that wait for each other's rows: PostgreSQL ends one of them, whoever it is.
    Two that enter the same name, which both found free: the second one now finds it taken.
    Inside another transaction it is tried only once, for that one is lost with it.
    """

    @wraps(transact)
    def try_some_times(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in count(1):
            try:
                return transact(*args, **kwargs)
            except (OperationalError, IntegrityError) as error:
                is_passing = is_contention(error) or is_taken(error)
                if attempt == TRIES or connection.in_atomic_block or not is_passing:
                    raise
            time.sleep(random.uniform(0, PAUSE_SECONDS * attempt))
        raise AssertionError("counting never ends")

    return try_some_times
