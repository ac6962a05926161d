"""The source bluesky: the network's public posts, from Jetstream."""
