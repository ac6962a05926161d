#!/usr/bin/env bash
# Run by LocalStack each time it is ready, so that the stack is there again after a restart (it keeps no state).
set -euo pipefail

stack() { awslocal cloudformation "$1" --stack-name messaging --output text "${@:2}"; }

stack create-stack --template-body file:///etc/tweet-alerts/messaging.yml \
  --parameters ParameterKey=App,ParameterValue=tweet-alerts ParameterKey=Env,ParameterValue=local
# `aws cloudformation wait` looks only every 30 s
for _ in $(seq 60); do
  status=$(stack describe-stacks --query 'Stacks[0].StackStatus')
  [[ $status == CREATE_COMPLETE ]] && exit 0
  [[ $status == CREATE_IN_PROGRESS ]] || break
  sleep 0.5
done
echo "stack messaging: expected CREATE_COMPLETE, got $status" >&2
exit 1
