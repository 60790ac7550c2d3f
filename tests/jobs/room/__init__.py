"""A room with tasks and jobs, for tests of the engines."""
