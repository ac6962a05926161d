"""Asks the model endpoint which labels a post is about, and passes on the posts that somebody wants to hear of."""

__version__ = "0.1.0"
