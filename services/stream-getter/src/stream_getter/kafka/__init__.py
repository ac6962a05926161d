"""A topic of Kafka as a source."""
