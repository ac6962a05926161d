"""STS: who is calling, and the roles that Copilot works with."""

from deployment.offline_aws.account import ACCOUNT_ID, Account
from deployment.offline_aws.calls import Document


class SecurityTokens:
    """Grants every role, with credentials that are worth nothing anywhere."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def get_caller_identity(self, _request: Document) -> Document:
        """GetCallerIdentity."""
        return {"Arn": self._account.iam("user/offline"), "UserId": "offline", "Account": ACCOUNT_ID}

    def assume_role(self, request: Document) -> Document:
        """AssumeRole."""
        return {
            "Credentials": {
                "AccessKeyId": "offline",
                "SecretAccessKey": "offline",
                "SessionToken": "offline",
                "Expiration": "2099-01-01T00:00:00Z",
            },
            "AssumedRoleUser": {"AssumedRoleId": "offline", "Arn": request["RoleArn"]},
        }
