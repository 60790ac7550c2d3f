"""manage.py domain: list, show, open, change, rename, move, reload, enable, disable, delete."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from accounts import editing, provisioning, services
from accounts.commandline import RoomCommand, plain, read_password, values, verb
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from administration import movejob, reloading, renaming
from administration.renaming import Rehearsal
from domains import selectors
from domains import services as domain_services
from domains.models import TABS, Domain
from domains.values import settable_fields
from jobs.progress import Progress

OPTIONS = ("listen_ip", "list_command_address", "is_disabled")


class Command(RoomCommand):
    help = (
        "Lists, shows, opens, changes, renames, moves, reloads, enables, disables, deletes domains."
    )
    name = "domain"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb(verbs, "list", "every domain")
        verb(verbs, "show", "one domain with all its settings").add_argument("domain")
        new = verb(verbs, "open", "a new domain with its administrator")
        new.add_argument("domain")
        new.add_argument("--administrator", default="admin", help="user name; usual: admin")
        change = verb(verbs, "change", "set what is given, all or nothing")
        change.add_argument("domain")
        change.add_argument(
            "pairs", metavar="name=value", nargs="+", help="such as limits.users=50"
        )
        rename = verb(verbs, "rename", "another name for the domain, in every place")
        rename.add_argument("domain")
        rename.add_argument("name")
        rename.add_argument("--rehearse", action="store_true", help="only say what would happen")
        rename.add_argument(
            "--drop-old-name", action="store_true", help="else it stays as a domain alias"
        )
        move = verb(verbs, "move", "its folder to another place, while it is in use")
        move.add_argument("domain")
        move.add_argument("folder", nargs="?", default="", help="usual: below the data folder")
        verb(verbs, "reload", "read its folder anew").add_argument("domain")
        for name in ("enable", "disable"):
            verb(verbs, name, f"{name} the domain").add_argument("domain")
        delete = verb(verbs, "delete", "remove the domain and all its mail for good")
        delete.add_argument("domain")
        delete.add_argument("--yes", action="store_true", help="needed: it cannot be undone")

    def do_list(self, options: dict[str, Any]) -> Any:
        return [_summary(row) for row in Domain.objects.order_by("name")]

    def do_show(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        tabs = {
            tab: plain(selectors.tab_of(domain, tab), settable_fields(model))
            for tab, model in TABS.items()
        }
        return _summary(domain) | {"names": selectors.names_of(domain)} | tabs

    def do_open(self, options: dict[str, Any]) -> Any:
        username = options["administrator"]
        verifiers = services.new_verifiers(read_password(), username)
        administrator = NewUser(username=username, verifiers=verifiers)
        new = NewDomain(name=options["domain"], administrator=administrator)
        return _summary(provisioning.open_domain(new=new, by=None))

    def do_change(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        tabs: dict[str, dict[str, Any]] = {}
        own: dict[str, Any] = {}
        for pair in options["pairs"]:
            tab, dot, rest = pair.partition(".")
            if dot and tab in TABS:
                tabs.setdefault(tab, {}).update(values([rest], TABS[tab]))
            else:
                own.update(values([pair], Domain))
        editing.change_domain(domain=domain, by=None, options=own, tabs=tabs)
        return self.do_show(options)

    def do_rename(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_own_name(options["domain"])
        keeps_old = not options["drop_old_name"]
        if options["rehearse"]:
            told = renaming.rehearse(domain, name=options["name"], keeps_old=keeps_old)
            return _rehearsed(told)
        naming = renaming.require_possible(
            domain, name=options["name"], keeps_old=keeps_old, by=None
        )
        done = renaming.run(Progress(job_id=0), naming, by=None)
        changes = {change.what: change.count for change in done.changes}
        return {"old": done.old, "new": done.new, "closed_seconds": done.closed_seconds} | changes

    def do_move(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_own_name(options["domain"])
        progress = Progress(job_id=0)
        folder = options["folder"]
        return asdict(movejob.run_now(domain=domain, folder_path=folder, progress=progress))

    def do_reload(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_own_name(options["domain"])
        return asdict(reloading.run(Progress(job_id=0), domain, by=None))

    def do_enable(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        return _summary(domain_services.set_disabled(domain=domain, is_disabled=False, by=None))

    def do_disable(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        return _summary(domain_services.set_disabled(domain=domain, is_disabled=True, by=None))

    def do_delete(self, options: dict[str, Any]) -> Any:
        domain = selectors.by_name(options["domain"])
        if not options["yes"]:
            raise CommandError(f"this removes {domain} and all its mail for good: add --yes")
        name = domain.name
        provisioning.close_domain(domain=domain, by=None)
        return f"deleted {name}"


def _rehearsed(told: Rehearsal) -> dict[str, Any]:
    return {
        "old": told.old,
        "new": told.new,
        "is_possible": not told.conflicts,
        "conflicts": [str(conflict) for conflict in told.conflicts],
        "changes": {change.what: change.count for change in told.changes},
        "consequences": list(told.consequences),
        "records": [record.line for record in told.records],
        "opened_by": list(told.opened_by),
    }


def _summary(row: Domain) -> dict[str, Any]:
    return plain(row, ("name", "is_disabled", "listen_ip", "list_command_address", "created_at"))
