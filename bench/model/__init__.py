"""The model endpoint over HTTP against a bare loop of the same model: see bench/README.md."""
