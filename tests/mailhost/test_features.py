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


def test_marks_are_found_on_modules_classes_functions_and_parameters(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(TESTS)
    found = features.by_id(features.find_proofs(tests))
    one, two = "tests/test_it.py::test_one", "tests/test_it.py::TestMore::test_two"
    assert found == {"D-001": [one, two], "D-002": [one], "D-003": [one], "D-004": [two]}
