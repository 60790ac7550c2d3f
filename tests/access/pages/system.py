"""Who may open the pages of the whole server."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:settings",          "login    403  403         403   403            403      200"),
    Page("panel:settings",          "login    403  403         403   403            403      200",
         post={}),
    Page("panel:help-index",        "login    200  200         200   200            200      200"),
    Page("panel:help",              "login    200  200         200   200            200      200",
         ("dns",)),
    Page("panel:help",              "login    404  404         404   404            404      404",
         ("nothing",)),
]  # fmt: skip
