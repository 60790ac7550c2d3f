"""Every fact of deployment, read once from `MAILHOST_*` with its unit, default and reason.

What an operator changes at run time is not here: it is a row with a page in the panel.
"""

import socket
from importlib.util import find_spec
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from mailhost import environment, logs
from mailhost.serverkeys import KeyFileBroken, ServerKeys

BASE_DIR = Path(__file__).resolve().parent.parent


# --- where things are ------------------------------------------------------------------------
# Everything the server keeps: database, spool, domains' folders, certificates, keys.
MAILHOST_DATA = Path(environment.text("MAILHOST_DATA", str(BASE_DIR / "data"))).resolve()
# Further folders below which an operator may place a domain's folder (comma-separated,
# absolute); <data>/domains is always one.
MAILHOST_DOMAIN_ROOTS = environment.words("MAILHOST_DOMAIN_ROOTS")
# PEM files of the listeners and the panel: default.pem, <host name>.pem; each a key with its chain.
MAILHOST_CERTIFICATES = MAILHOST_DATA / "certificates"

# --- network ---------------------------------------------------------------------------------
# The address the listeners bind for domains that listen on "All". Loopback until told otherwise,
# so that a first try on a public machine exposes nothing; "::" or "0.0.0.0" in production.
MAILHOST_BIND = environment.ip("MAILHOST_BIND", "127.0.0.1")
# Added to every standard port, so that no privilege is needed; 0 in production.
MAILHOST_PORT_OFFSET = environment.number("MAILHOST_PORT_OFFSET", 8000, least=0, most=64_540)
# The name in greetings, HELO, Received and Message-IDs; should be what the address's PTR says.
MAILHOST_HOSTNAME = environment.hostname("MAILHOST_HOSTNAME", socket.gethostname())
# Host names under which browsers reach the panel (comma-separated); "*": every name.
ALLOWED_HOSTS = environment.words("MAILHOST_ALLOWED_HOSTS", ["*"])
# DNS servers ("address" or "address:port", comma-separated); empty: the system's.
MAILHOST_DNS_SERVERS = environment.words("MAILHOST_DNS_SERVERS")
# Where the servers of other domains listen: 25, but on a test bench without privileges.
MAILHOST_OUTGOING_PORT = environment.number("MAILHOST_OUTGOING_PORT", 25, least=1, most=65_535)

# Milliseconds for which a client is left waiting after a wrong password.
MAILHOST_FAILED_LOGIN_MS = environment.number(
    "MAILHOST_FAILED_LOGIN_MS", 1000, least=0, most=60_000
)
# Who may read /metrics without a token (addresses and networks, comma-separated).
MAILHOST_METRICS_ALLOW = environment.networks("MAILHOST_METRICS_ALLOW", ["127.0.0.0/8", "::1"])
# The token ("Authorization: Bearer ...") that opens /metrics from elsewhere; empty: none does.
MAILHOST_METRICS_TOKEN = environment.text("MAILHOST_METRICS_TOKEN", "")

# May web hooks lead to private addresses, and by plain HTTP? Customers choose where they lead.
MAILHOST_PRIVATE_WEBHOOKS = environment.flag("MAILHOST_PRIVATE_WEBHOOKS", False)

# --- processes and machines ------------------------------------------------------------------
# Mail processes on this machine; each one has every listener (SO_REUSEPORT).
MAILHOST_MAIL_PROCESSES = environment.number("MAILHOST_MAIL_PROCESSES", 1, least=1, most=64)
# Does the loop of a mail process stay on one processor, together with the thread that commits?
MAILHOST_ONE_PROCESSOR = environment.flag("MAILHOST_ONE_PROCESSOR", True)
# Seconds a part may take to finish what it has in hand after SIGTERM.
MAILHOST_DRAIN_SECONDS = environment.number("MAILHOST_DRAIN_SECONDS", 10, least=0, most=600)
# Which machine of several this is, 0 to 15: part of every id made here.
MAILHOST_NODE = environment.number("MAILHOST_NODE", 0, least=0, most=15)
# What is this machine's own: sockets, locks of its processes, what its ids are made of.
MAILHOST_RUN = Path(environment.text("MAILHOST_RUN", f"{MAILHOST_DATA}/run")).absolute()
# Do other machines share the database? Then what changes here is told to them through PostgreSQL.
MAILHOST_CLUSTER = environment.flag("MAILHOST_CLUSTER", False)
# What runs tasks and long jobs: "django-q", on the database, or "celery", with a broker.
MAILHOST_JOBS = environment.choice("MAILHOST_JOBS", "django-q", allowed=("django-q", "celery"))
MAILHOST_JOBS_ENGINE = f"jobs.engines.{'djangoq' if MAILHOST_JOBS == 'django-q' else 'bycelery'}"
# Workers of this machine. Of two or more, one stays free for what is done on a schedule.
MAILHOST_JOB_WORKERS = environment.number("MAILHOST_JOB_WORKERS", 2, least=1, most=32)
# Where Celery finds its broker.
MAILHOST_BROKER_URL = environment.text("MAILHOST_BROKER_URL", "redis://127.0.0.1:6379/0")
# The user that a server started by root becomes. Read by manage.py, before anything is made.
MAILHOST_USER = environment.text("MAILHOST_USER", "")

# Clients that are neither counted nor blocked: programs of this machine, such as a web mail or a
# proxy that brings in everybody. The machine's other addresses are added to these.
MAILHOST_NEVER_BLOCKED = environment.words("MAILHOST_NEVER_BLOCKED", ["127.0.0.0/8", "::1"])

# Proxies in front of this server (addresses and networks, comma-separated). Their mail connections
# must begin with the PROXY protocol's header, and X-Forwarded-For is their word on who asks.
# Nobody by default: whoever is listed may claim any address.
MAILHOST_TRUSTED_PROXIES = environment.networks("MAILHOST_TRUSTED_PROXIES", [])

# --- log -------------------------------------------------------------------------------------
LOGGING_CONFIG = "mailhost.logs.configure"
LOGGING = {
    # How events look; "auto": for people on a terminal, key=value lines elsewhere.
    "format": environment.choice("MAILHOST_LOG_FORMAT", "auto", allowed=logs.FORMATS),
    # The least important events that are logged.
    "level": environment.choice("MAILHOST_LOG_LEVEL", "info", allowed=logs.LEVELS),
}

try:
    # Made at first use, kept outside the database. `follow` changes both keys below.
    MAILHOST_SERVER_KEYS = ServerKeys(MAILHOST_DATA / "keys" / "server.key")
except OSError as error:  # a full disk, a folder of another user, a file where a folder should be
    raise ImproperlyConfigured(f"MAILHOST_DATA cannot be used: {error}") from None
except KeyFileBroken as error:
    raise ImproperlyConfigured(f"keys/server.key in MAILHOST_DATA is broken: {error}") from None
SECRET_KEY = MAILHOST_SERVER_KEYS.file.current
SECRET_KEY_FALLBACKS = list(MAILHOST_SERVER_KEYS.file.others)
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# --- database --------------------------------------------------------------------------------
DATABASES = {
    # postgres://user:password@host/name in an installation that outgrows SQLite.
    "default": environ.Env.db_url_config(
        environment.text("MAILHOST_DATABASE_URL", f"sqlite:///{MAILHOST_DATA}/mailhost.sqlite3")
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
    "jobs",
    "domains",
    "accounts",
    "operations",
    "certificates",
    "mailboxes",
    "archive",
    "mailinglists",
    "signing",
    "spool",
    "administration",
    "zones",
    "messaging",
    "reports",
    "retrieval",
    "transport",
    "listeners",
    "api",
    "mailhost",
]
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "lucide",
    "drf_spectacular_sidecar",
    "panel",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_tasks",
    *(("django_q",) if MAILHOST_JOBS == "django-q" else ()),
    *ROOMS,
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backend.AddressBackend"]
PASSWORD_HASHERS = ["accounts.passwords.Argon2id"]
# A user is found by local part and domain together; AddressBackend does that.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]

# --- the server's own mail -------------------------------------------------------------------
EMAIL_BACKEND = "spool.backend.SpoolBackend"
# The name in From of what the server writes; nobody reads what is sent there.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = f"MailHost <noreply@{MAILHOST_HOSTNAME}>"

# --- tasks and jobs --------------------------------------------------------------------------
TASKS = {
    "default": {
        "BACKEND": {
            "django-q": "jobs.engines.djangoq.DjangoQBackend",
            "celery": "jobs.engines.bycelery.CeleryBackend",
        }[MAILHOST_JOBS]
    }
}
Q_CLUSTER = {
    "name": "mailhost",
    "orm": "default",
    "workers": MAILHOST_JOB_WORKERS,
    # Jobs may take hours: a row says who has one, and that the worker lives.
    "timeout": 86_400,  # seconds
    "retry": 86_460,  # seconds; what a dead worker had, the minute tasks find sooner
    "max_attempts": 1,  # a tick that failed is not repeated: the next one does its work
    "ack_failures": True,
    "catch_up": False,
    "poll": 0,  # the pause is made where no lock is held
    "recycle": 1_000_000,  # tasks; a fresh worker is forked only for one that died
    "guard_cycle": 1,  # seconds
    "save_limit": -1,  # no rows of what went well
    "bulk": 5,
    "log_level": "WARNING",
}

# --- web -------------------------------------------------------------------------------------
ROOT_URLCONF = "mailhost.urls"
WSGI_APPLICATION = "mailhost.wsgi.application"
MIDDLEWARE = [
    # Before all that asks who the client is; not there unless proxies are listed.
    "mailhost.proxies.TrustProxies",
    # Early: authorities ask under every host's name, ALLOWED_HOSTS are the panel's.
    "mailhost.challenges.AnswerChallenges",
    "mailhost.stspolicies.ServePolicies",
    "django.middleware.security.SecurityMiddleware",
    "panel.contentpolicy.ContentPolicy",
    "panel.staticfiles.CompressStaticFiles",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "panel.sessions.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "panel.windows.Windows",
    "panel.viewerzone.ViewersZone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "panel.gate.Gate",
    "django_htmx.middleware.HtmxMiddleware",
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
                "panel.context.frame",
            ],
            # Sizes and moments are said in one way in all templates.
            "builtins": ["panel.templatetags.units"],
        },
    }
]
STATIC_URL = "/static/"
# Tabler comes as two files of this package, whose Django app is not used: its hashes are tested.
_tabler = find_spec("jazzy_tabler")
if _tabler is None or _tabler.origin is None:
    raise ImproperlyConfigured("jazzy_tabler is not installed: tools/environment")
STATICFILES_DIRS = [("tabler", Path(_tabler.origin).parent / "static" / "vendor" / "tabler")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "panel.staticfiles.StampedFiles"},
}
WHITENOISE_USE_FINDERS = True  # files come straight from the wheels: nothing to collect
# A year: another content has another address.
WHITENOISE_MAX_AGE = 365 * 24 * 3600  # seconds
LOGIN_URL = "panel:login"
LOGIN_REDIRECT_URL = "panel:home"
# panel.sessions adds Secure where the page came by TLS.
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600  # seconds after the last change of the session
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "panel.views.failures.forged"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # Tabler's check marks are data: in its style sheet
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
# --- API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "api.schema.HouseSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "MailHost",
    "DESCRIPTION": "What the control panel does, for programs of resellers and operators.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "POSTPROCESSING_HOOKS": ["api.examples.add"],  # choices stand where they are used
}
UNFOLD = {
    "SITE_TITLE": "MailHost",
    "SITE_HEADER": "MailHost",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}panel/mark.svg"}
    ],
    "STYLES": ["panel.staticfiles.admin_style"],
}
