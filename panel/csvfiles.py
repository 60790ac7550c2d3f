"""CSV files of the panel's lists, by the rules that hold for the admin's, too."""

from adminsite.csvfiles import cell, lines, response

__all__ = ["cell", "lines", "response"]
