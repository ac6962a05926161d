"""Reads a stream of posts and sends them to the posts queue."""
