"""The handbook says what the code does."""

import re
from pathlib import Path

import yaml

from mailhost.management.commands import serve_web
from tests.running import STANDARD_PORTS

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
SETTINGS = (ROOT / "mailhost/settings.py").read_text()
INTERNAL = {"MAILHOST_PART"}


def test_every_setting_stands_in_the_table_and_no_other():
    read = re.findall(r'environment\.\w+\(\s*"(MAILHOST_\w+)"', SETTINGS)
    told = re.findall(r"^\| `(MAILHOST_\w+)` \|", OPERATIONS, re.M)
    assert len(read) == len(set(read))
    assert sorted(told) == sorted(set(read) - INTERNAL)


def test_the_defaults_in_the_table_are_the_code_s():
    defaults = dict(re.findall(r'environment\.\w+\("(MAILHOST_\w+)", "?([\w.]+?)"?[,)]', SETTINGS))
    told = dict(re.findall(r"^\| `(MAILHOST_\w+)` \| `([^`]+)` \|", OPERATIONS, re.M))
    assert defaults["MAILHOST_PORT_OFFSET"] == "8000"
    same = {"False": "no", "True": "yes"}
    for name, default in defaults.items():
        if name in told:
            assert told[name] == same.get(default, default), name


def test_no_code_but_the_settings_reads_the_environment_for_its_configuration():
    allowed = {"mailhost/environment.py", "mailhost/privileges.py", "mailhost/parts.py",
               "mailhost/supervise.py", "mailhost/forking.py", "mailhost/logs.py",
               "listeners/activation.py", "listeners/readiness.py", "manage.py",
               "mailhost/wsgi.py"}  # fmt: skip
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("mailhost", "listeners", "spool", "mailboxes", "operations", "accounts",
                     "domains", "events", "protocols", "switchboard", "blobs", "clock")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }  # fmt: skip
    assert found <= allowed


def test_the_ports_of_the_table_are_right():
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \|", OPERATIONS, re.M)
    assert sorted(int(port) for _, port, _ in rows) == sorted(STANDARD_PORTS.values())
    assert all(int(shown) == int(port) + 8000 for _, port, shown in rows)
    assert {serve_web.HTTP, serve_web.HTTPS} <= set(STANDARD_PORTS.values())


def test_the_readme_s_example_is_the_example_file():
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"```yaml\n(.*?)```", readme, re.S).group(1)
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "examples/example.yaml").read_text())
    for name in re.findall(r"\]\(([\w/.-]+)\)", readme):
        assert (ROOT / name).exists(), name
