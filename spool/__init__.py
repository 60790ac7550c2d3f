"""The heart: every message comes in by intake, waits here, and leaves by an agent."""
