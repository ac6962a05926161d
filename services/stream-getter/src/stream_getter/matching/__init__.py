"""Rules of X's language, applied on our side to posts of sources that have no rules of their own."""
