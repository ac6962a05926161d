"""Decides whom to tell of an alert, and tells them."""

__version__ = "0.1.0"
