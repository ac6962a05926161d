"""`classifier evaluate`: how well labels, thresholds and a model work, measured with posts whose labels are known."""
