"""The message archive as the rest of the house sees it: one engine, searched by who may."""
