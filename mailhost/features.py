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
    lacks: str = ""  # what of the item is not there yet; empty: all of it is


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an item is proven: in full, if one test at least says that it lacks nothing."""

    proofs: tuple[Proof, ...] = ()

    @property
    def is_full(self) -> bool:
        return any(not proof.lacks for proof in self.proofs)

    @property
    def is_partial(self) -> bool:
        return bool(self.proofs) and not self.is_full

    @property
    def lacks(self) -> str:
        """In the tests' words; empty for what is proven in full."""
        if self.is_full:
            return ""
        return "; ".join(dict.fromkeys(proof.lacks for proof in self.proofs))


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
        found += [
            Proof(mark.id, f"{file}{place}", mark.lacks)
            for place, mark in _marks(tree.body, "", ())
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Mark:
    id: str
    lacks: str


def _marks(
    body: Sequence[ast.stmt], place: str, inherited: tuple[_Mark, ...]
) -> Iterator[tuple[str, _Mark]]:
    """(place, mark) for each test and each id in its own, its class's or its module's marks."""
    for statement in body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark"
            for target in statement.targets
        ):
            inherited += tuple(_read([statement.value]))
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            marks = (*inherited, *_read(statement.decorator_list))
            yield from _marks(statement.body, f"{place}::{statement.name}", marks)
        elif isinstance(
            statement, ast.FunctionDef | ast.AsyncFunctionDef
        ) and statement.name.startswith("test"):
            marks = (*inherited, *_read(statement.decorator_list))
            yield from ((f"{place}::{statement.name}", mark) for mark in dict.fromkeys(marks))


def _read(expressions: Iterable[ast.expr]) -> Iterator[_Mark]:
    """What every `pytest.mark.spec(...)` says, also in lists and `pytest.param(marks=...)`."""
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
                words = {word.arg: word.value for word in node.keywords}
                lacks = _text(words["lacks"]) if "lacks" in words else ""
                yield from (_Mark(_text(argument), lacks) for argument in node.args)


def _text(argument: ast.expr) -> str:
    """An id that is computed cannot be read: it shows as an unknown one."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return ast.unparse(argument)


def unknown(features: Iterable[Feature], proofs: Iterable[Proof]) -> list[Proof]:
    ids = {feature.id for feature in features}
    return [proof for proof in proofs if proof.id not in ids]


def by_id(proofs: Iterable[Proof]) -> dict[str, Standing]:
    found: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs:
        found[proof.id].append(proof)
    return {id_: Standing(tuple(those)) for id_, those in found.items()}


def contradicted(standings: Mapping[str, Standing]) -> list[Proof]:
    """Proofs that miss something of an item of which another one says that nothing is missing."""
    full = (standing for standing in standings.values() if standing.is_full)
    return [proof for standing in full for proof in standing.proofs if proof.lacks]


def by_room(features: Iterable[Feature]) -> dict[str, list[Feature]]:
    rooms = defaultdict(list)
    for feature in features:
        rooms[feature.room].append(feature)
    return dict(sorted(rooms.items()))


def page(features: Sequence[Feature], standings: Mapping[str, Standing]) -> str:
    """docs/features.md as it should be."""
    rooms = by_room(features)
    lines = [
        "# Features",
        "",
        "Every item of the specification, by room, and the tests that prove it. "
        "Written by `./manage features --write`.",
        "",
        f"{Count.of(features, standings).in_words()}. What is proven in part says what it lacks.",
        "",
        "| room | items | proven | in part | not yet |",
        "|---|---:|---:|---:|---:|",
    ]
    for room, items in rooms.items():
        count = Count.of(items, standings)
        numbers = f"{len(items)} | {count.full} | {count.partial} | {count.missing}"
        lines.append(f"| [{room}](#{room}) | {numbers} |")
    for room, items in rooms.items():
        lines += ["", f"## {room}", "", "| item | proven by |", "|---|---|"]
        lines += [_row(item, standings.get(item.id, Standing())) for item in items]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Count:
    """How many items are proven in full, in part and not yet."""

    full: int
    partial: int
    missing: int

    @classmethod
    def of(cls, features: Sequence[Feature], standings: Mapping[str, Standing]) -> Count:
        found = [standings.get(feature.id, Standing()) for feature in features]
        full = sum(standing.is_full for standing in found)
        partial = sum(standing.is_partial for standing in found)
        return cls(full, partial, len(found) - full - partial)

    def in_words(self) -> str:
        total = self.full + self.partial + self.missing
        return f"Proven: {self.full} of {total}; {self.partial} in part; {self.missing} not yet"


def _row(feature: Feature, standing: Standing) -> str:
    name = _cell(feature.name)
    lacks = (f"*in part, without {_cell(standing.lacks)}:*",) if standing.is_partial else ()
    proofs = (f"`{proof.place.removeprefix('tests/')}`" for proof in standing.proofs)
    return f"| {feature.id} {name} | {'<br>'.join((*lacks, *proofs))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
