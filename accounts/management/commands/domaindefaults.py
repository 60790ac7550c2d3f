"""manage.py domaindefaults: what new domains begin with, and setting it on domains that exist."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from accounts import propagation
from accounts.commandline import RoomCommand, values, verb
from domains import defaults, selectors
from domains.errors import Problem, Refused, ValuesRefused
from domains.models import Domain
from events import audit


class Command(RoomCommand):
    help = "Shows and changes what new domains begin with, and sets it on domains that exist."
    name = "domaindefaults"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verb(verbs, "show", "all of them")
        change = verb(verbs, "change", "set what is given, all or nothing")
        change.add_argument(
            "pairs", metavar="name=value", nargs="+", help="such as limits.users=50"
        )
        given = verb(verbs, "set-on", "set present defaults on domains that exist")
        given.add_argument("fields", help="such as limits.users,features.notes")
        given.add_argument("domains", nargs="*", help="names; none: see --all")
        given.add_argument("--all", action="store_true", help="all domains")
        given.add_argument("--dry-run", action="store_true", help="tell what would change")

    def do_show(self, options: dict[str, Any]) -> Any:
        return {
            f"{part}.{name}": audit.plain(value)
            for part, found in defaults.current().items()
            for name, value in found.items()
        }

    def do_change(self, options: dict[str, Any]) -> Any:
        given: dict[str, dict[str, Any]] = {}
        for pair in options["pairs"]:
            part, _, rest = pair.partition(".")
            model = defaults.PARTS.get(part)
            if model is None:
                raise ValuesRefused((Problem(pair, "there is no such setting"),))
            given.setdefault(part, {}).update(values([rest], model))
        defaults.change(values=given, by=None)
        return self.do_show(options)

    def do_set_on(self, options: dict[str, Any]) -> Any:
        chosen = propagation.chosen(options["fields"].split(","))
        rows = Domain.objects.order_by("pk")
        if not options["all"]:
            if not options["domains"]:
                raise ValuesRefused((Problem("domains", "name some, or say --all"),))
            names = map(selectors.by_name, options["domains"])
            rows = rows.filter(pk__in=[domain.pk for domain in names])
        rows = propagation.with_other_values(rows, chosen)
        return [self._set(domain, chosen, options["dry_run"]) for domain in list(rows)]

    def _set(self, domain: Domain, chosen: propagation.Values, is_dry_run: bool) -> Any:
        (found,) = propagation.preview([domain], chosen, by=None)
        changes = ", ".join(
            f"{name} {audit.plain(old)} -> {audit.plain(new)}"
            for name, (old, new) in found.changes.items()
        )
        obstacle = found.obstacle
        if not obstacle and not is_dry_run:
            try:
                propagation.propagate(domain=domain, values=chosen, by=None)
            except Refused as error:
                obstacle = str(error)
        return {"domain": domain.name, "changes": changes, "obstacle": obstacle}
