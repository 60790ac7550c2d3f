"""The notice board: everything that happens is told here."""
