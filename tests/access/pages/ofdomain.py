"""Who may open the further pages of a domain."""

from tests.access.rows import Page

OWN = ("own.example",)

# Columns: anonymous, user, other_admin, admin, other_reseller, reseller, root.
PAGES = [
    Page("panel:domain-disk",           "login 403 404 200 404 200 200", OWN),
]  # fmt: skip
