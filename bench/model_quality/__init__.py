"""What a few examples a label are worth: the embedded model on labelled posts, by cross-validation."""
