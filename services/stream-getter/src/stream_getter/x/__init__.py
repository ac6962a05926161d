"""X: its filtered stream as a source, its rules, and what it costs."""
