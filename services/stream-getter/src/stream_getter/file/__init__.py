"""Files of posts, or standard input, as a source: for replays, tests, and whatever can write lines."""
