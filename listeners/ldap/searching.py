"""Searching: who may, how much of it, and in which pages. RFC 4511 §4.5, RFC 2696."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains import directory as domain_directory
from listeners import bridge, login
from listeners.ldap import entries, tree
from listeners.ldap.entries import Entry
from listeners.ldap.finding import Finder, Position
from listeners.ldap.tree import Closed, Place
from protocols.ldap import attributes, controls, filters, names, responses, results
from protocols.ldap.ber import Malformed
from protocols.ldap.controls import Page
from protocols.ldap.filters import Filter
from protocols.ldap.names import MalformedName
from protocols.ldap.requests import Message, Scope, Search
from protocols.ldap.responses import START_TLS, WHO_AM_I
from protocols.ldap.results import Result, ResultCode

if TYPE_CHECKING:
    from listeners.ldap.session import Session

MOST_ENTRIES = 1_000  # of one search, or of one page
TIME_LIMIT_SECONDS = 10

_WRONG_COOKIE = Result(ResultCode.UNWILLING_TO_PERFORM, "That cookie was not given here.")
_TOO_COMPLEX = Result(ResultCode.ADMIN_LIMIT_EXCEEDED, "The filter has too many terms.")
_TOO_MANY = Result(ResultCode.SIZE_LIMIT_EXCEEDED, "There are more; ask for less, or for pages.")
_TOO_LONG = Result(ResultCode.TIME_LIMIT_EXCEEDED)


async def search(session: Session, message: Message) -> None:
    request = message.operation
    assert isinstance(request, Search)
    if controls.unknown_critical(message.controls):
        session.finish(message, controls.UNKNOWN_CRITICAL)
    elif request.scope is None:
        session.finish(message, Result(ResultCode.PROTOCOL_ERROR, "Unknown scope."))
    elif request.filter is None:
        session.finish(message, _TOO_COMPLEX)
    elif not request.base.strip() and request.scope is Scope.BASE:
        await _search_root(session, message, request, request.filter)
    elif session.visit.account_id is None:
        session.finish(message, results.LOGIN_FIRST)
    else:
        one = _Searching(session, message, request)
        await one.run(session.visit.account_id, request.scope, request.filter)


async def _search_root(session: Session, message: Message, asked: Search, wanted: Filter) -> None:
    """RFC 4512 §5.1. A stranger is not told whose mail this server hosts."""
    visit = session.visit
    pair = (visit.endpoint.ip, visit.endpoint.port)
    domain_id = visit.domain_id or visit.listener.sole_domain.get(pair)
    policy = await bridge.ask_warm(domain_directory.policy, domain_id) if domain_id else None
    may_start_tls = session.door.certificates.is_available
    entry = entries.root(
        naming_contexts=[names.of_domain(policy.name)] if policy is not None else [],
        controls=sorted(controls.SUPPORTED),
        extensions=[START_TLS, WHO_AM_I] if may_start_tls else [WHO_AM_I],
        mechanisms=["PLAIN"] if await login.may_show_password(visit) else [],
    )
    is_found = filters.matches(wanted, entry.values) is True
    if is_found:
        session.send(_shown(message.id, asked, entry))
    session.finish(message, results.SUCCESS, entries=int(is_found))


class _Searching:
    """One search of somebody who has logged in."""

    def __init__(self, session: Session, message: Message, asked: Search) -> None:
        self._session = session
        self._message = message
        self._asked = asked
        self._sent = 0
        seconds = min(asked.time_limit_seconds or TIME_LIMIT_SECONDS, TIME_LIMIT_SECONDS)
        self._ends_at = session.door.loop.time() + seconds

    async def run(self, account_id: int, scope: Scope, wanted: Filter) -> None:
        """The cookie is that of the next page; None: no pages were asked for."""
        cookie: bytes | None = None
        try:
            page = controls.asked_page(self._message.controls)
            start = Position.decode(page.cookie) if page and page.cookie else None
            cookie = None if page is None else b""
            name = names.parse(self._asked.base)
            place = await bridge.ask(tree.place_for, account_id, name)
        except Malformed:
            result = Result(ResultCode.PROTOCOL_ERROR, "The control cannot be read.")
        except ValueError:
            result = _WRONG_COOKIE
        except MalformedName:
            result = Result(ResultCode.INVALID_DN_SYNTAX)
        except Closed as closed:
            result = closed.result
        else:
            if place is None:
                result = results.NO_SUCH_OBJECT
            elif page is not None and page.size == 0:
                result = results.SUCCESS  # RFC 2696 §3: the client wants no more
            else:
                result, cookie = await self._find(place, scope, wanted, page, start)
        if not self._session.is_abandoned:
            control = b"" if cookie is None else controls.encode_page(cookie)
            self._session.finish(self._message, result, control=control, entries=self._sent)

    async def _find(
        self, place: Place, scope: Scope, wanted: Filter, page: Page | None, start: Position | None
    ) -> tuple[Result, bytes | None]:
        session, before = self._session, start.sent if start else 0
        of_page = MOST_ENTRIES if page is None else min(page.size, MOST_ENTRIES)
        allowed = self._asked.size_limit
        most = of_page if allowed is None else max(0, min(of_page, allowed - before))
        is_limit_of_client = page is None or (allowed is not None and allowed - before <= of_page)
        last = start
        ended = None if page is None else b""
        finder = Finder(place, scope, wanted, show=self._show, turns=session.door.turns)
        async for batch in finder.batches(start):
            for found in batch:
                if self._sent >= most:
                    if is_limit_of_client or last is None:
                        return _TOO_MANY, ended
                    return results.SUCCESS, last.encode()
                session.send(found.octets)
                self._sent += 1
                last = Position(found.section, found.key, before + self._sent)
            if session.has_much_to_send:
                await session.drained()
            if session.is_abandoned:
                break
            if session.door.loop.time() > self._ends_at:
                return _TOO_LONG, ended
        return results.SUCCESS, ended

    def _show(self, entry: Entry) -> bytes:
        return _shown(self._message.id, self._asked, entry)


def _shown(message_id: int, asked: Search, entry: Entry) -> bytes:
    """With the attributes that are asked for, or their types only."""
    chosen = attributes.chosen(asked.attributes)
    shown = {
        name: () if asked.types_only else values
        for name, values in entry.attributes.items()
        if chosen is None or name in chosen
    }
    return responses.entry(message_id, entry.name, shown)
