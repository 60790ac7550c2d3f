"""manage.py list: mailing lists and their subscribers, from a shell."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts.commandline import RoomCommand, plain, read_password, row_at, values, verb
from adminsite import csvfiles
from domains import selectors
from mailinglists import invitations, membership, services, subscribercsv
from mailinglists.errors import FileRefused, ListUnknown
from mailinglists.membership import Added, NewSubscriber
from mailinglists.models import MailingList, Mode, PosterRule, Subscriber, SubscriberState

SHOWN_MALFORMED = 5


class Command(RoomCommand):
    help = "Lists, shows, adds, changes and removes mailing lists, and who is on them."
    name = "list"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb(verbs, "list", "every list of a domain").add_argument("domain")
        verb(verbs, "show", "one list").add_argument("address")
        for name, words in (("add", "a new list"), ("change", "set what is given")):
            made = verb(verbs, name, words)
            made.add_argument("address")
            made.add_argument(
                "pairs", metavar="name=value", nargs="*", help="such as posting=anyone"
            )
            made.add_argument("--moderator", action="append", help="a user name; several for more")
            made.add_argument(
                "--allow", action="append", help="may always post: address or @domain"
            )
            made.add_argument("--ban", action="append", help="may never post: address or @domain")
            made.add_argument(
                "--post-password", action="store_true", help="is read from the input; empty: none"
            )
        verb(verbs, "remove", "mail to it is refused from now on").add_argument("address")
        subscribe = verb(verbs, "subscribe", "put addresses on a list")
        subscribe.add_argument("address")
        subscribe.add_argument("subscriber", nargs="*", help="an address")
        subscribe.add_argument("--file", help="CSV with address, name, mode; - for the input")
        subscribe.add_argument("--mode", choices=Mode.values, default=Mode.STANDARD.value)
        subscribe.add_argument(
            "--ask", action="store_true", help="each gets a mail and is on the list once confirmed"
        )
        unsubscribe = verb(verbs, "unsubscribe", "take addresses off a list")
        unsubscribe.add_argument("address")
        unsubscribe.add_argument("subscriber", nargs="+", help="an address")
        listed = verb(verbs, "subscribers", "who is on a list, as CSV")
        listed.add_argument("address")
        listed.add_argument("--state", choices=SubscriberState.values)

    def do_list(self, options: dict[str, Any]) -> Any:
        rows = MailingList.objects.filter(domain=selectors.by_name(options["domain"]))
        return [_summary(row) for row in rows.select_related("domain").order_by("local_part")]

    def do_show(self, options: dict[str, Any]) -> Any:
        row = _list(options["address"])
        return {
            **_summary(row),
            "moderators": services.moderator_names(row),
            "poster_rules": services.rules_of(row),
            "has_post_password": bool(row.post_password),
            **plain(row, (*services.FIELDS, "created_at")),
        }

    def do_add(self, options: dict[str, Any]) -> Any:
        local_part, _, name = options["address"].rpartition("@")
        services.create_list(
            domain=selectors.by_name(name),
            local_part=local_part,
            values=values(options["pairs"], MailingList),
            moderators=options["moderator"] or (),
            poster_rules=_rules(options, None) or (),
            post_password=_password(options) or "",
            by=None,
        )
        return self.do_show(options)

    def do_change(self, options: dict[str, Any]) -> Any:
        row = _list(options["address"])
        services.change_list(
            mailing_list=row,
            values=values(options["pairs"], MailingList),
            moderators=options["moderator"],
            poster_rules=_rules(options, row),
            post_password=_password(options),
            by=None,
        )
        return self.do_show(options)

    def do_remove(self, options: dict[str, Any]) -> Any:
        services.delete_list(mailing_list=_list(options["address"]), by=None)
        return f"removed {options['address']}"

    def do_subscribe(self, options: dict[str, Any]) -> Any:
        row = _list(options["address"])
        added = Added()
        for part in invitations.import_subscribers(
            mailing_list=row, rows=_given(options), is_confirmed=not options["ask"], by=None
        ):
            added.join(part)
        if added.malformed:
            shown = ", ".join(repr(one) for one in added.malformed[:SHOWN_MALFORMED])
            self.stderr.write(f"{len(added.malformed)} are no addresses: {shown}")
        verb = "wrote to" if options["ask"] else "added"
        return f"{verb} {added.added}, {added.known} were on the list already"

    def do_unsubscribe(self, options: dict[str, Any]) -> Any:
        count = membership.remove_subscribers(
            mailing_list=_list(options["address"]), addresses=options["subscriber"], by=None
        )
        return f"removed {count}"

    def do_subscribers(self, options: dict[str, Any]) -> Any:
        row = _list(options["address"])
        rows = Subscriber.objects.filter(mailing_list=row).order_by("id")
        if options["state"]:
            rows = rows.filter(state=options["state"])
        if options["json"]:
            return [plain(one, subscribercsv.COLUMNS) for one in rows.iterator(chunk_size=1000)]
        columns = subscribercsv.COLUMNS
        for line in csvfiles.lines(columns, rows.values_list(*columns).iterator(chunk_size=1000)):
            self.stdout.write(line, ending="")
        return f"{rows.count()} subscribers"

    def show(self, found: Any, *, as_json: bool) -> None:
        if not as_json and isinstance(found, str) and found.endswith(" subscribers"):
            self.stderr.write(found)  # the file on the output stays one
            return
        super().show(found, as_json=as_json)


def _list(address: str) -> MailingList:
    return row_at(MailingList.objects.select_related("domain"), address, ListUnknown)


def _summary(row: MailingList) -> dict[str, Any]:
    return {
        "address": str(row),
        "description": row.description,
        "subscribers": row.subscribers.count(),
        "posts_waiting": row.held.count(),
    }


def _password(options: dict[str, Any]) -> str | None:
    return read_password("Post password: ") if options["post_password"] else None


def _rules(options: dict[str, Any], row: MailingList | None) -> list[tuple[str, str]] | None:
    """Those that are given take the place of all of their kind. None: all stay."""
    given = {PosterRule.Kind.ALLOW: options["allow"], PosterRule.Kind.BAN: options["ban"]}
    if not any(given.values()):
        return None
    there = PosterRule.objects.filter(mailing_list=row) if row is not None else ()
    kept = [(rule.pattern, rule.kind) for rule in there if not given[PosterRule.Kind(rule.kind)]]
    return kept + [(one, kind.value) for kind, patterns in given.items() for one in patterns or ()]


def _given(options: dict[str, Any]) -> Iterable[NewSubscriber]:
    if not options["file"] and not options["subscriber"]:
        raise CommandError("name addresses, or a file of them")
    yield from (NewSubscriber(one, "", options["mode"]) for one in options["subscriber"])
    if options["file"]:
        try:
            is_input = options["file"] == "-"
            content = sys.stdin.buffer.read() if is_input else Path(options["file"]).read_bytes()
        except OSError as error:
            raise FileRefused(f"{options['file']} cannot be read: {error.strerror}") from None
        yield from subscribercsv.read(content)
