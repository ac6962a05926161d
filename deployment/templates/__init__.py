"""Plain CloudFormation out of copilot/, for `aws cloudformation deploy` where AWS Copilot is no longer there.

Copilot's own program packages its templates once more (``deployment.copilot_package``), and what only Copilot needs is
taken out of them: its Lambda functions, custom resources, bucket, key and roles, and what its features would add that
no manifest asks for.

Logical ids, names of stacks and names of exports stay Copilot's, so that a running system is taken over in place:
deployed over the same stacks, CloudFormation compares by logical id, finds each queue, bucket, endpoint, network,
cluster and log group as it was, and replaces none. An export that services import could not be renamed at all ("Get
exported outputs from a deployed CloudFormation stack": one that another stack imports cannot be changed or removed).

The environment is deployed first. Copilot's services each hold a custom resource (env-controller.js in Copilot's
source) that writes into the environment stack's parameters, ``NATWorkloads`` and its like, which services want a
feature; when it is deleted, which a deploy of the plain service does, it takes the service out again, and without the
last one Copilot's environment removes the NAT gateways that all tasks reach the internet by. The plain environment has
none of these parameters: its gateways stand unconditionally, and the custom resource then finds nothing to change. It
must still find a stack with parameters, outputs and the tags that its role asks for, or it fails. Deployed in the wrong
order, a service is refused before anything is deleted: it imports ``PrivateSubnetsWithoutCopilot`` of its environment.
"""
