"""What a certificate can be for, and the name of its file."""

from __future__ import annotations

from domains.names import read_name

# For clients that name no host, or one that has no certificate here (N-004).
DEFAULT = "default"


def read_host(text: str) -> str:
    """A host name or `*.example.com` in its stored form. Raises NameMalformed."""
    stripped = text.strip()
    if stripped.startswith("*."):
        return f"*.{read_name(stripped[2:]).name}"
    return read_name(stripped).name


def stem_of(host: str) -> str:
    """The file's name without `.pem`: no star, which shells would expand."""
    return f"_.{host[2:]}" if host.startswith("*.") else host


def host_of(stem: str) -> str:
    return f"*.{stem[2:]}" if stem.startswith("_.") else stem


def stems_for(host: str) -> tuple[str, str]:
    """The files that may have a certificate for `host`, the best first."""
    return host, f"_.{host.partition('.')[2]}"
