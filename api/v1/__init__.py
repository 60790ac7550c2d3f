"""Version 1 of the API: one file for each resource, each with its own `urlpatterns`."""
