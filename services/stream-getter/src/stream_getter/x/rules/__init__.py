"""X's rules as code: `stream-getter rules` brings the ``rules`` of config/alerts.yaml to X. Begin with ``command``."""
