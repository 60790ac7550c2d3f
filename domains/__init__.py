"""For whom: hosted domains; one model for each tab of the domain page."""
