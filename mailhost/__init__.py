"""The assembly: settings, URLs and the one command that starts it all. Nobody imports it."""
