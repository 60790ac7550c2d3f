"""Pages in a real browser: pictures, accessibility, and everything a browser complains of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import User

CHROMIUM = shutil.which("chromium") or ""
WIDTHS = {"wide": (1440, 1000), "phone": (390, 844)}
THEMES = ("light", "dark")


class Complaints(AssertionError):
    """What the console, the policy or the network had to say."""


class Visitor:
    """Somebody's browser window on the server at `address`."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._watch)

    def log_in(self, user: User) -> Visitor:
        """By a session of Django's: the log-in page is for the tests that are about it."""
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        self.context.add_cookies([{"name": "sessionid", "value": value, "url": self.address}])
        return self

    def choose(self, theme: str) -> None:
        self.context.add_cookies([{"name": "theme", "value": theme, "url": self.address}])

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def check_accessibility(self) -> None:
        """Fails with every violation that axe-core finds on the page as it stands."""
        found = Axe().run(self.page)
        if found.violations_count:
            raise Complaints(f"{self.page.url}\n{found.generate_report()}")

    def check_quiet(self) -> None:
        """Fails if the console had an error, a policy was hurt, or another host was asked."""
        said, self.complaints = self.complaints, []
        if said:
            raise Complaints("\n".join(said))

    def check_fits(self) -> None:
        """Fails if the page scrolls sideways."""
        widths = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1], f"{widths[0]} px of content in {widths[1]} px"

    def inspect(self, path: str, pictures: str = "") -> None:
        """The whole examination of one page: wide and phone, light and dark.

        `pictures`: the beginning of the names of its screenshots, which go to the folder
        PANEL_PICTURES if that is set.
        """
        for theme in THEMES:
            self.choose(theme)
            self.go(path)
            for width, (x, y) in WIDTHS.items():
                self.page.set_viewport_size({"width": x, "height": y})
                if pictures:
                    self.picture(f"{pictures}-{width}-{theme}")
                for check in (self.check_accessibility, self.check_fits):
                    try:
                        check()
                    except AssertionError as error:
                        self.complaints.append(f"{path}, {width}, {theme}: {error}")
        self.check_quiet()

    def picture(self, name: str) -> None:
        folder = os.environ.get("PANEL_PICTURES")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def _hear(self, message: object) -> None:
        kind, text = message.type, message.text  # type: ignore[attr-defined]
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _watch(self, request: object) -> None:
        url = urlsplit(request.url)  # type: ignore[attr-defined]
        if url.scheme not in ("data", "blob") and url.netloc != urlsplit(self.address).netloc:
            self.complaints.append(f"asked elsewhere: {request.url}")  # type: ignore[attr-defined]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips where there is no Chromium."""
    if not CHROMIUM:
        pytest.skip("needs Debian's chromium")
    # Playwright's loop runs in this thread; Django would take every query for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            yield browser
            browser.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
