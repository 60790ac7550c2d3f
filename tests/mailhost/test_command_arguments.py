"""Arguments of all commands, as a shell gives them."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from tests.factories import PASSWORD
from tests.running import RunningServer

FILE = f"""
domains:
  - name: shell.example
    admin: {{username: admin, password: "{PASSWORD}"}}
"""
# Django reads these itself, whatever a command means by them.
DJANGOS = {"settings", "pythonpath", "verbosity", "traceback", "no_color", "force_color"}
OURS = sorted(
    name
    for name, app in get_commands().items()
    if app.partition(".")[0] in {each.partition(".")[0] for each in settings.ROOMS}
)


@pytest.mark.parametrize("name", OURS)
def test_no_argument_has_a_name_that_django_takes_for_its_own(name: str) -> None:
    parser = load_command_class(get_commands()[name], name).create_parser("manage", name)
    below = [each for each in _all_below(parser) if each is not parser]
    taken = {
        action.dest
        for each in [parser, *below]
        for action in each._actions
        if action.dest in DJANGOS and not action.option_strings
    }
    assert not taken


def test_settings_of_a_user_are_given_in_a_shell(server: RunningServer) -> None:
    server.manage("apply", "-", text=FILE)
    server.manage("user", "change", "admin@shell.example", "full_name=Ada Lovelace")
    assert "Ada Lovelace" in server.manage("user", "show", "admin@shell.example")


def _all_below(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for each in action.choices.values():
                yield from _all_below(each)
