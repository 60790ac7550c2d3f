"""Who may open the limits in force."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:domain-limits",     "login    403  404         200   404            200      200",
         ("own.example",)),
]  # fmt: skip
