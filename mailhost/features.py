"""Which item of the specification is proven by which test: read from the marks in tests/."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "pytest.mark.spec"


@dataclass(frozen=True, slots=True)
class Feature:
    """One item of docs/features.tsv."""

    id: str
    item: str
    room: str

    @property
    def name(self) -> str:
        return self.item.partition(" — ")[0]


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that names an item; `place` is what pytest takes: `tests/x/test_y.py::test_z`."""

    id: str
    place: str


def read_features(path: Path) -> list[Feature]:
    """Raises ValueError for a line that is no item."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [Feature(*line.split("\t")) for line in lines]


def find_proofs(tests: Path) -> list[Proof]:
    """All marks below `tests`, without importing anything."""
    found = []
    for path in sorted(tests.rglob("test_*.py")):
        file = path.relative_to(tests.parent).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        found += [Proof(id_, f"{file}{place}") for place, id_ in _marks(tree.body, "", ())]
    return found


def _marks(
    body: Sequence[ast.stmt], place: str, inherited: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """(place, id) for each test and each id in its own, its class's or its module's marks."""
    for statement in body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark"
            for target in statement.targets
        ):
            inherited += tuple(_ids([statement.value]))
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            ids = (*inherited, *_ids(statement.decorator_list))
            yield from _marks(statement.body, f"{place}::{statement.name}", ids)
        elif isinstance(
            statement, ast.FunctionDef | ast.AsyncFunctionDef
        ) and statement.name.startswith("test"):
            ids = (*inherited, *_ids(statement.decorator_list))
            yield from ((f"{place}::{statement.name}", id_) for id_ in dict.fromkeys(ids))


def _ids(expressions: Iterable[ast.expr]) -> Iterator[str]:
    """The ids in every `pytest.mark.spec(...)`, also within lists and `pytest.param(marks=...)`."""
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
                for argument in node.args:
                    # An id that is computed cannot be read: it shows as an unknown one.
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value
                    else:
                        yield ast.unparse(argument)


def unknown(features: Iterable[Feature], proofs: Iterable[Proof]) -> list[Proof]:
    ids = {feature.id for feature in features}
    return [proof for proof in proofs if proof.id not in ids]


def by_id(proofs: Iterable[Proof]) -> dict[str, list[str]]:
    places = defaultdict(list)
    for proof in proofs:
        places[proof.id].append(proof.place)
    return places


def by_room(features: Iterable[Feature]) -> dict[str, list[Feature]]:
    rooms = defaultdict(list)
    for feature in features:
        rooms[feature.room].append(feature)
    return dict(sorted(rooms.items()))


def page(features: Sequence[Feature], places: Mapping[str, Sequence[str]]) -> str:
    """docs/features.md as it should be."""
    rooms = by_room(features)
    proven = {room: sum(f.id in places for f in rooms[room]) for room in rooms}
    lines = [
        "# Features",
        "",
        "Every item of the specification, by room, and the tests that prove it. "
        "Written by `./manage features --write`.",
        "",
        f"Proven: {sum(proven.values())} of {len(features)}.",
        "",
        "| room | items | proven |",
        "|---|---:|---:|",
        *(f"| [{room}](#{room}) | {len(rooms[room])} | {proven[room]} |" for room in rooms),
    ]
    for room, items in rooms.items():
        lines += ["", f"## {room}", "", "| item | proven by |", "|---|---|"]
        lines += [_row(item, places.get(item.id, ())) for item in items]
    return "\n".join(lines) + "\n"


def _row(feature: Feature, places: Sequence[str]) -> str:
    name = feature.name.replace("|", "\\|")
    proofs = "<br>".join(f"`{place.removeprefix('tests/')}`" for place in places)
    return f"| {feature.id} {name} | {proofs} |"
