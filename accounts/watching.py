"""What rooms above this one want to know of log-ins that fail, and whom they keep out.

They register functions here when they are loaded; every door's log-ins come by.
"""

from __future__ import annotations

from collections.abc import Callable

# Login as it was given, service, client's address. Must neither raise nor take long.
LoginFailed = Callable[[str, str, str], None]
# Service and client's address: whether nobody may log in from there now.
IsBarred = Callable[[str, str], bool]

_watchers: list[LoginFailed] = []
_gatekeepers: list[IsBarred] = []


def after_failed_login(function: LoginFailed) -> LoginFailed:
    """Register a function, from the `ready` of a room's app."""
    _watchers.append(function)
    return function


def before_login(function: IsBarred) -> IsBarred:
    """Register a function that is asked before log-ins by the web; other doors have their gate."""
    _gatekeepers.append(function)
    return function


def tell_of_failure(login: str, service: str, client_address: str) -> None:
    for function in _watchers:
        function(login, service, client_address)


def is_barred(service: str, client_address: str) -> bool:
    return any(function(service, client_address) for function in _gatekeepers)
