"""Who may log in as another."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:impersonate",       "login    403  403         403   200            200      200"),
    Page("panel:impersonate",       "login    403  403         403   200            302      302",
         post={"address": "alice@own.example"}),
    Page("panel:impersonate-proposals",
                                    "login    403  200         200   200            200      200",
         query="address=alice"),
    Page("panel:domain-impersonate",
                                    "login    403  403         403   404            200      200",
         ("own.example",)),
    Page("panel:domain-impersonate",
                                    "login    403  403         403   404            302      302",
         ("own.example",), post={}),
    Page("panel:impersonation-enter",
                                    "403      403  403         403   403            403      403"),
    Page("panel:impersonation-end", "405      405  405         405   405            405      405"),
    Page("panel:impersonation-end", "302      302  302         302   302            302      302",
         post={}),
]  # fmt: skip
