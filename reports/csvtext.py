"""Reports as CSV text, by the rules that hold for every file."""

from adminsite.csvfiles import cell, lines

__all__ = ["cell", "lines"]
