"""Reads a stream of posts and sends them to the posts queue."""

__version__ = "0.1.0"
