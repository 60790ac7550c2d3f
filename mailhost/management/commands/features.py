"""manage.py features: what of the specification is proven by which test, and what is not yet."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mailhost import features


class Command(BaseCommand):
    help = "Shows, per room, what is proven by which test and what is not yet."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("room", nargs="?", help="only this room")
        parser.add_argument("--write", action="store_true", help="make docs/features.md true")
        parser.add_argument("--check", action="store_true", help="fail when it is not true")

    def handle(self, *args: Any, **options: Any) -> None:
        docs = settings.BASE_DIR / "docs"
        items = features.read_features(docs / "features.tsv")
        proofs = features.find_proofs(settings.BASE_DIR / "tests")
        strangers = features.unknown(items, proofs)
        if strangers:
            raise CommandError(
                "no such item: " + ", ".join(f"{p.id} in {p.place}" for p in strangers)
            )
        standings = features.by_id(proofs)
        page = features.page(items, standings)
        path = docs / "features.md"
        if options["write"]:
            path.write_text(page, encoding="utf-8")
        elif options["check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != page:
                raise CommandError("docs/features.md is stale: ./manage features --write")
        else:
            self._show(features.by_room(items), standings, options["room"])

    def _show(
        self,
        rooms: dict[str, list[features.Feature]],
        standings: dict[str, features.Standing],
        wanted: str | None,
    ) -> None:
        if wanted is not None and wanted not in rooms:
            raise CommandError(f"no such room; there are {', '.join(rooms)}")
        for room, items in rooms.items():
            if wanted not in (None, room):
                continue
            self.stdout.write(f"\n{room}: {features.Count.of(items, standings).in_words()}")
            for item in items:
                if item.id in standings:
                    self._show_proven(item, standings[item.id])
            missing = [item for item in items if item.id not in standings]
            if missing:
                self.stdout.write("  not yet:")
            for item in missing:
                self.stdout.write(f"  {item.id}  {item.name}")

    def _show_proven(self, item: features.Feature, standing: features.Standing) -> None:
        self.stdout.write(f"  {item.id}  {item.name}")
        if standing.lacks:
            self.stdout.write(f"         in part, without {standing.lacks}")
        for proof in standing.proofs:
            self.stdout.write(f"           {proof.place}")
