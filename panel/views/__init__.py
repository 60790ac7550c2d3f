"""The pages: each module is a family of pages with its own `urlpatterns`."""
