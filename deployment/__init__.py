"""What deploys the system and looks after it there: packaging, templates, configuration, a smoke test."""
