"""What the three services share and nothing else: contracts, queues, configuration, lifecycle, telemetry."""
