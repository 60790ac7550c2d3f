"""Every fact of deployment, read once from `MAILHOST_*` with its unit, default and reason.

What an operator changes at run time is not here: it is a row with a page in the panel.
"""

import secrets
import socket
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from mailhost import logs

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent


def _server_key(path: Path) -> str:
    """The server's key: made at first use, kept outside the database (X-034), owner-readable."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        # Nobody else reads mail, keys or the database, whatever the umask.
        path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48) + "\n")
        try:
            # A hard link fails where the name exists: of two first starts one key wins.
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_text().strip()


# --- where things are ------------------------------------------------------------------------
# Everything the server keeps: database, spool, domains' folders, certificates, keys.
MAILHOST_DATA = Path(env.str("MAILHOST_DATA", str(BASE_DIR / "data"))).resolve()
# The address the listeners bind for domains that listen on "All". Loopback until told otherwise,
# so that a first try on a public machine exposes nothing; "::" or "0.0.0.0" in production.
MAILHOST_BIND = env.str("MAILHOST_BIND", "127.0.0.1")
# Added to every standard port, so that no privilege is needed; 0 in production.
MAILHOST_PORT_OFFSET = env.int("MAILHOST_PORT_OFFSET", 8000)
# The name in greetings, HELO, Received and Message-IDs; should be what the address's PTR says.
MAILHOST_HOSTNAME = env.str("MAILHOST_HOSTNAME", socket.getfqdn() or "localhost").lower()
# Which machine of several this is, 0 to 15: part of every id made here.
MAILHOST_NODE = env.int("MAILHOST_NODE", 0)
if not 0 <= MAILHOST_NODE <= 15:
    raise ImproperlyConfigured("MAILHOST_NODE must be 0 to 15")
# Do other machines share the database? Then what changes here is told to them through PostgreSQL.
MAILHOST_CLUSTER = env.bool("MAILHOST_CLUSTER", False)
# Mail processes on this machine; each one has every listener (SO_REUSEPORT).
MAILHOST_MAIL_PROCESSES = env.int("MAILHOST_MAIL_PROCESSES", 1)
# Seconds a part may take to finish what it has in hand after SIGTERM.
MAILHOST_DRAIN_SECONDS = env.int("MAILHOST_DRAIN_SECONDS", 10)
# DNS servers ("address" or "address:port", comma-separated); empty: the system's.
MAILHOST_DNS_SERVERS = env.list("MAILHOST_DNS_SERVERS", default=[])
# Further directories below which an operator may place a domain's folder (comma-separated,
# absolute); <data>/domains is always one.
MAILHOST_DOMAIN_ROOTS = env.list("MAILHOST_DOMAIN_ROOTS", default=[])

# How log events look: "console", "logfmt", "json", or "auto": console on a terminal, else logfmt.
MAILHOST_LOG_FORMAT = env.str("MAILHOST_LOG_FORMAT", "auto")
if MAILHOST_LOG_FORMAT not in logs.FORMATS:
    raise ImproperlyConfigured(f"MAILHOST_LOG_FORMAT must be one of {', '.join(logs.FORMATS)}")
# The least important events that are logged: "debug", "info", "warning" or "error".
MAILHOST_LOG_LEVEL = env.str("MAILHOST_LOG_LEVEL", "info")
if MAILHOST_LOG_LEVEL not in logs.LEVELS:
    raise ImproperlyConfigured(f"MAILHOST_LOG_LEVEL must be one of {', '.join(logs.LEVELS)}")
LOGGING_CONFIG = "mailhost.logs.configure"
LOGGING = {"level": MAILHOST_LOG_LEVEL, "format": MAILHOST_LOG_FORMAT}
# PEM files of the listeners and the panel: default.pem, <host name>.pem; each a key with its chain.
MAILHOST_CERTIFICATES = MAILHOST_DATA / "certificates"

# How log events look: "console", "logfmt", "json", or "auto": console on a terminal, else logfmt.
MAILHOST_LOG_FORMAT = env.str("MAILHOST_LOG_FORMAT", "auto")
if MAILHOST_LOG_FORMAT not in logs.FORMATS:
    raise ImproperlyConfigured(f"MAILHOST_LOG_FORMAT must be one of {', '.join(logs.FORMATS)}")
# The least important events that are logged: "debug", "info", "warning" or "error".
MAILHOST_LOG_LEVEL = env.str("MAILHOST_LOG_LEVEL", "info")
if MAILHOST_LOG_LEVEL not in logs.LEVELS:
    raise ImproperlyConfigured(f"MAILHOST_LOG_LEVEL must be one of {', '.join(logs.LEVELS)}")
LOGGING_CONFIG = "mailhost.logs.configure"
LOGGING = {"level": MAILHOST_LOG_LEVEL, "format": MAILHOST_LOG_FORMAT}
# PEM files of the listeners and the panel: default.pem, <host name>.pem; each a key with its chain.
MAILHOST_CERTIFICATES = MAILHOST_DATA / "certificates"

SECRET_KEY = _server_key(MAILHOST_DATA / "keys" / "server.key")
DEBUG = False
ALLOWED_HOSTS = env.list("MAILHOST_ALLOWED_HOSTS", default=["*"])
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# --- database --------------------------------------------------------------------------------
DATABASES = {
    "default": env.db_url_config(
        env.str("MAILHOST_DATABASE_URL", f"sqlite:///{MAILHOST_DATA}/mailhost.sqlite3")
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # FULL: a commit is on the disk when it returns, which "250 = durable" needs.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            "PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456;"
            "PRAGMA journal_size_limit=67108864;"
        ),
        # Writers queue at BEGIN, so none fails half-way because another one wrote first.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,  # seconds
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60  # seconds
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- rooms -----------------------------------------------------------------------------------
ROOMS = [
    "blobs",
    "switchboard",
    "events",
    "domains",
    "accounts",
    "operations",
    "mailboxes",
    "spool",
    "listeners",
    "mailhost",
]
# The mail process needs models, not pages: it starts faster and stays smaller without these.
WEB_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
INSTALLED_APPS = [
    *(() if env.bool("MAILHOST_TRIMMED", False) else WEB_APPS),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    *ROOMS,
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backend.AddressBackend"]
PASSWORD_HASHERS = ["accounts.passwords.Argon2id"]
# A user is found by local part and domain together; AddressBackend does that.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

# --- web -------------------------------------------------------------------------------------
ROOT_URLCONF = "mailhost.urls"
WSGI_APPLICATION = "mailhost.wsgi.application"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # files come straight from the wheels: nothing to collect
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
UNFOLD = {"SITE_TITLE": "MailHost", "SITE_HEADER": "MailHost"}
