"""Message bytes on disk, each stored once: segments, group commit, sweeping."""
