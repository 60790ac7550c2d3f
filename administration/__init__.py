"""What administrators do over all rooms: undo, the recycle bin, renaming, limits in force."""
