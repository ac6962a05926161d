"""Decides whom to tell of an alert, and tells them."""
