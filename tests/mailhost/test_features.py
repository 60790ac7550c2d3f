"""The list of what is proven tells the truth."""

from pathlib import Path

import pytest

from mailhost import features

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

pytestmark = pytest.mark.spec("D-001")

@pytest.mark.spec("D-002", "D-003")
def test_one(): ...

class TestMore:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.spec("D-004")), 2])
    async def test_two(self, x): ...

@pytest.mark.spec("D-005", "D-006", lacks="the moon|sun")
@pytest.mark.spec("D-003", lacks="a cherry")
def test_three(): ...

@pytest.mark.spec("D-006", lacks="the stars")
def test_four(): ...

def helper(): ...
"""


@pytest.fixture(scope="module")
def items():
    return features.read_features(ROOT / "docs/features.tsv")


def test_every_item_is_there_once(items):
    assert len(items) == len({item.id for item in items}) == 492


def test_no_test_names_an_unknown_item(items):
    assert features.unknown(items, features.find_proofs(ROOT / "tests")) == []


def test_the_page_is_up_to_date(items):
    page = features.page(items, features.by_id(features.find_proofs(ROOT / "tests")))
    assert (ROOT / "docs/features.md").read_text() == page, "./manage features --write"


def test_no_test_misses_what_another_one_has(items):
    standings = features.by_id(features.find_proofs(ROOT / "tests"))
    assert features.contradicted(standings) == []


@pytest.fixture
def standings(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(TESTS)
    return features.by_id(features.find_proofs(tests))


def test_marks_are_found_on_modules_classes_functions_and_parameters(standings):
    found = {id_: [proof.place for proof in one.proofs] for id_, one in standings.items()}
    one, two, three, four = (
        f"tests/test_it.py::{name}"
        for name in ("test_one", "TestMore::test_two", "test_three", "test_four")
    )
    assert found == {
        "D-001": [one, two, three, four],
        "D-002": [one],
        "D-003": [one, three],
        "D-004": [two],
        "D-005": [three],
        "D-006": [three, four],
    }


def test_what_each_test_lacks_is_proven_in_part(standings):
    assert {id_ for id_, one in standings.items() if one.is_partial} == {"D-005", "D-006"}
    assert standings["D-005"].lacks == "the moon|sun"
    assert standings["D-006"].lacks == "the moon|sun; the stars"
    assert standings["D-003"].is_full and standings["D-003"].lacks == ""
    (proof,) = features.contradicted(standings)
    assert (proof.id, proof.place) == ("D-003", "tests/test_it.py::test_three")


def test_the_page_counts_and_shows_apart_what_is_proven_in_part(standings):
    items = [
        features.Feature(f"D-00{number}", f"Item {number} — words", "domains")
        for number in range(1, 9)
    ]
    page = features.page(items, standings).splitlines()
    assert "Proven: 4 of 8; 2 in part; 2 not yet." in "\n".join(page)
    assert "| [domains](#domains) | 8 | 4 | 2 | 2 |" in page
    proof = "`test_it.py::test_three`"
    assert f"| D-005 Item 5 | *in part, without the moon\\|sun:*<br>{proof} |" in page
    assert f"| D-003 Item 3 | `test_it.py::test_one`<br>{proof} |" in page
    assert "| D-007 Item 7 |  |" in page
