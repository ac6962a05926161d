"""A stand-in for the AWS calls that AWS Copilot makes while it packages, answered from the workspace itself.

``with OfflineAws(workspace, state, region) as aws:`` listens on 127.0.0.1 only, opens no connection to anywhere, and
gives a child process its whole environment: ``subprocess.run(command, env=aws.environment, cwd=workspace)``.
"""

from deployment.offline_aws.stand_in import OfflineAws, UnknownAwsCall
from deployment.offline_aws.workspace import Workspace, read_workspace

__all__ = ["OfflineAws", "UnknownAwsCall", "Workspace", "read_workspace"]
