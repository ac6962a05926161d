"""The template of the repositories that keep the images, which Copilot would make for its application."""

from collections.abc import Iterable

_REPOSITORY = """\
  {logical_id}:
    Type: AWS::ECR::Repository
    Properties:
      RepositoryName: {prefix}/{name}
      EmptyOnDelete: true
      ImageTagMutability: IMMUTABLE
      ImageScanningConfiguration:
        ScanOnPush: true
      LifecyclePolicy:
        LifecyclePolicyText: |
          {{"rules": [{{"rulePriority": 1, "description": "the last ten",
            "selection": {{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}},
            "action": {{"type": "expire"}}}}]}}
"""
_OUTPUT = """\
Outputs:
  Registry:
    Description: What `make templates` takes as REGISTRY; the repositories are under it
    Value: !Sub '${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.${{AWS::URLSuffix}}/{prefix}'
"""


def registry(application: str, repositories: Iterable[str]) -> str:
    """The template, with one repository each.

    They are not called as Copilot's own, ``application``/service, which a system that is taken over still pulls from.
    """
    prefix = f"{application}-images"
    resources = "".join(
        _REPOSITORY.format(logical_id=f"{name.title().replace('-', '')}Repository", prefix=prefix, name=name)
        for name in repositories
    )
    description = f"Description: Repositories for the images of {application}\n"
    return f"{description}Resources:\n{resources}{_OUTPUT.format(prefix=prefix)}"
