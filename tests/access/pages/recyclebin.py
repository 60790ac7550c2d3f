"""Who may open the recycle bin."""

from tests.access.rows import Page

#                                   anonymous user other_admin admin other_reseller reseller root
PAGES = [
    Page("panel:recycle-bin",       "login    403  200         200   200            200      200"),
    Page("panel:recycle-bin-restore", "login  403  404         404   404            404      404",
         (999_999,), post={}),
    Page("panel:recycle-bin-purge", "login    403  404         404   404            404      404",
         (999_999,)),
]  # fmt: skip
