"""The pinned requirements are complete for every Python that MailHost runs on."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
# Debian 12 has 3.11.2, for which a library may need more than for a later 3.11.
PYTHONS = ["3.11.0", "3.11.2", "3.11.14", "3.12.3", "3.13.5"]


def wanted_on(python: str, requirement: Requirement) -> bool:
    """Whether the requirement holds on this Python, for who asks for no extra."""
    version = python.rpartition(".")[0]
    marker = requirement.marker
    return marker is None or marker.evaluate(
        {"python_full_version": python, "python_version": version, "extra": ""}
    )


def pinned(file: str, python: str) -> set[str]:
    lines = (ROOT / file).read_text().splitlines()
    pins = [Requirement(line.rstrip("\\")) for line in lines if line and line[0] not in " #"]
    return {canonicalize_name(pin.name) for pin in pins if wanted_on(python, pin)}


def needed_by(name: str, python: str) -> set[str]:
    try:
        needs = [Requirement(text) for text in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return set()  # a library for other Pythons than the one that runs this test
    return {canonicalize_name(need.name) for need in needs if wanted_on(python, need)}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
@pytest.mark.parametrize("python", PYTHONS)
def test_every_library_that_a_pinned_one_needs_is_pinned_too(file, python):
    pins = pinned(file, python)
    assert {need for pin in pins for need in needed_by(pin, python)} - pins == set()
