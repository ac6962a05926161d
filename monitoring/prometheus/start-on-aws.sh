#!/bin/sh
# Tasks are found by names that end with the environment's own domain, which Prometheus cannot read from a variable.
set -eu
: "${COPILOT_SERVICE_DISCOVERY_ENDPOINT:?expected the domain of the tasks, such as test.tweet-alerts.local, got nothing}"
sed "s/\.domain\.invalid/.$COPILOT_SERVICE_DISCOVERY_ENDPOINT/" /etc/prometheus/aws.yml > /prometheus/aws.yml
exec prometheus --config.file=/prometheus/aws.yml --storage.tsdb.path=/prometheus \
  --storage.tsdb.retention.time=15d --storage.tsdb.retention.size=8GB "$@"
