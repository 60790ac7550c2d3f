"""What the pages are dressed in comes from known packages, unchanged, and from nowhere else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.test import Client

# jazzy-tabler only carries them: these are npm's @tabler/core 1.4.0, byte for byte.
TABLER = {
    "tabler/css/tabler.min.css": "7ef750bd10546a695d0b12767ad8048bd8f3ec5de7daefb1067f9d0daa3d1c9a",
    "tabler/js/tabler.min.js": "b60c76160e97624574dbb8cf10abe6aee9a6493b60096fdfc15dd1dd2bd99eb9",
}


@pytest.mark.parametrize("name", TABLER)
def test_tabler_is_what_its_makers_published(name: str) -> None:
    found = finders.find(name)
    assert found is not None
    assert hashlib.sha256(Path(found).read_bytes()).hexdigest() == TABLER[name]


def test_chart_js_is_there() -> None:
    found = finders.find("unfold/js/chart/chart.js")
    assert found is not None and b'version="4.' in Path(found).read_bytes()


def test_an_address_changes_with_the_content_and_is_kept_for_a_year() -> None:
    url = static("panel/house.css")
    assert re.fullmatch(r"/static/panel/house\.css\?v=[0-9a-f]{12}", url)


@pytest.mark.django_db
def test_pages_may_load_only_the_panels_own_files() -> None:
    policy = Client().get("/panel/login/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert "'unsafe-eval'" in Client().get("/admin/login/")["Content-Security-Policy"]
