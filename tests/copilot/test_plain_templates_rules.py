"""How a template is made plain: conditions that are decided, what goes with what, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deployment.copilot_package import PackagedWorkspace, package
from deployment.templates.conditions import settle
from deployment.templates.environment import make_environment_plain
from deployment.templates.files import write_templates
from deployment.templates.pruning import check_whole, drop, drop_unused
from deployment.templates.service import make_service_plain
from deployment.templates.template import Template
from pipeline.errors import UserMistake
from tests.support.cloudformation import load_template

REPOSITORY = Path(__file__).parents[2]

CONDITIONAL = """\
Parameters:
    Size:
        Type: String
    Zone:
        Type: String
Conditions:
    IsLarge: !Equals [!Ref Size, large]
    IsSmall: !Not [!Condition IsLarge]
    IsGovCloud: !Equals [!Ref "AWS::Partition", aws-us-gov]
    IsLargeInGovCloud: !And [!Condition IsLarge, !Condition IsGovCloud]
    IsLargeOrGovCloud: !Or [!Condition IsGovCloud, !Condition IsLarge]
Resources:
    # about Large
    Large:
        Type: AWS::SNS::Topic
        Condition: IsLarge
        Properties:
            # stays
            TopicName: !If [IsLargeOrGovCloud, !If [IsSmall, small, large], never]
            Tags:
                - !If [IsLarge, {Key: a, Value: b}, !Ref AWS::NoValue]
                - !If [IsSmall, {Key: c, Value: d}, !Ref AWS::NoValue]
    Small:
        Type: AWS::SNS::Topic
        Condition: IsSmall
    Either:
        Type: AWS::SNS::Topic
        Properties:
            TopicName: !If [IsGovCloud, !If [IsSmall, x, !Ref AWS::NoValue], !Ref Zone]
            Tags:
                - !If [IsSmall, {Key: c, Value: d}, !Ref AWS::NoValue]
    Undecided:
        Type: AWS::SNS::Topic
        Condition: IsLargeInGovCloud
Outputs:
    OfSmall:
        Condition: IsSmall
        Value: !Ref Small
"""


def settled(text: str, **values: str) -> str:
    template = Template(text)
    settle(template, values)
    drop_unused(template)
    return template.text()


def test_decided_conditions_leave_what_they_choose_and_undecided_ones_stay() -> None:
    assert (
        settled(CONDITIONAL, Size="large")
        == """\
Parameters:
    Size:
        Type: String
    Zone:
        Type: String
Conditions:
    IsLarge: !Equals [!Ref Size, large]
    IsGovCloud: !Equals [!Ref "AWS::Partition", aws-us-gov]
    IsLargeInGovCloud: !And [!Condition IsLarge, !Condition IsGovCloud]
Resources:
    Large:
        Type: AWS::SNS::Topic
        Properties:
            # stays
            TopicName: large
            Tags:
                - {Key: a, Value: b}
    Either:
        Type: AWS::SNS::Topic
        Properties:
            TopicName: !If [IsGovCloud, !Ref AWS::NoValue, !Ref Zone]
    Undecided:
        Type: AWS::SNS::Topic
        Condition: IsLargeInGovCloud
"""
    )


def test_without_a_value_nothing_is_decided() -> None:
    assert settled(CONDITIONAL) == CONDITIONAL.replace("    # about Large\n", "")


def test_true_in_a_template_is_the_text_that_a_parameter_holds() -> None:
    text = (
        "Conditions:\n    On: !Equals [!Ref Switch, true]\nResources:\n    A:\n        Type: T\n        Condition: On\n"
    )
    assert "Condition" not in settled(text, Switch="true")
    assert "Resources" not in settled(text, Switch="false")


DEPENDENT = """\
Parameters:
    Key:
        Type: String
    Name:
        Type: String
Resources:
    Function:
        Type: AWS::Lambda::Function
        Properties:
            Role: !GetAtt FunctionRole.Arn
            Name: !Ref Name
    FunctionRole:
        Type: AWS::IAM::Role
        Properties:
            Boundary: !Sub '${Guard}'
    Guard:
        Type: AWS::IAM::ManagedPolicy
    SharedRole:
        Type: AWS::IAM::Role
        Properties:
            Policy:
                Statement:
                    - Resource: !Ref Key
                    - Resource: !Sub ['${Own}/*', {Own: !Ref Topic}]
    Topic:
        Type: AWS::SNS::Topic
        DependsOn: [Function, SharedRole]
Outputs:
    Arn:
        Value: !GetAtt Function.Arn
    Topic:
        Value: !Ref Topic
"""


def test_with_a_function_goes_whatever_only_made_sense_with_it() -> None:
    template = Template(DEPENDENT)
    drop(template, {"Function", "Key"})
    drop_unused(template)
    # a policy may be meant for others too, so only roles go unasked
    assert list(template.resources) == ["Guard", "SharedRole", "Topic"]
    assert list(template.outputs) == ["Topic"]
    assert list(template.parameters) == []
    assert template.resources["Topic"]["DependsOn"] == ["SharedRole"]
    (statement,) = template.resources["SharedRole"]["Properties"]["Policy"]["Statement"]
    assert "Own" in statement["Resource"][1]


def test_a_role_that_others_have_too_stays() -> None:
    template = Template(DEPENDENT.replace("${Own}/*", "${FunctionRole.Arn}"))
    drop(template, {"Function"})
    assert "FunctionRole" in template.resources


def test_what_cannot_do_without_is_named() -> None:
    template = Template(DEPENDENT.replace("Boundary: !Sub '${Guard}'", "Boundary: !Sub '${Gone.Arn} ${!Literal}'"))
    with pytest.raises(UserMistake) as mistake:
        check_whole(template, "manifest.yml")
    assert str(mistake.value) == (
        "manifest.yml: Resources.FunctionRole: expected nothing that only Copilot can make, found Gone"
    )


def test_a_domain_is_copilots_to_make(packaged: PackagedWorkspace) -> None:
    files = packaged.environments["test"]
    values = json.loads(files.parameters.read_text())["Parameters"] | {
        "AppDNSName": "example.com",
        "CreateHTTPSListener": "true",
    }
    with pytest.raises(UserMistake, match=r"environments/test/manifest\.yml: Resources\.HTTPSListener: .*HTTPSCert$"):
        make_environment_plain(
            Template(files.template.read_text()), values, {"ALBWorkloads": ["shop"]}, "test", "addons.yml"
        )


def test_environment_files_are_refused(packaged: PackagedWorkspace) -> None:
    files = packaged.environments["test"].services["monitoring"]
    values = json.loads(files.parameters.read_text())["Parameters"]
    manifest = {"sidecars": {"grafana": {"env_file": "grafana.env"}}}
    with pytest.raises(UserMistake, match=r"copilot/monitoring/manifest\.yml: env_file: "):
        make_service_plain(Template(files.template.read_text()), values, manifest, "monitoring", None)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the repository's own, to be changed."""
    shutil.copytree(REPOSITORY / "copilot", tmp_path / "workspace/copilot")
    return tmp_path / "workspace"


def plain_templates(workspace: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    written = write_templates(package(workspace, tmp_path / "packaged", "eu-west-1"), tmp_path / "plain", None)
    return {f"{file.parent.name}/{file.name}": load_template(file) for file in written if file.suffix == ".yml"}


def test_gateways_are_only_there_where_a_service_asks_for_them(workspace: Path, tmp_path: Path) -> None:
    for manifest in workspace.glob("copilot/*/manifest.yml"):
        manifest.write_text(manifest.read_text().replace("placement: private", "placement: public"))
    assert not [
        name
        for name in plain_templates(workspace, tmp_path)["test/environment.yml"]["Resources"]
        if "NatGateway" in name
    ]


def test_the_variant_with_one_zones_gateway_is_made_plain_too(workspace: Path, tmp_path: Path) -> None:
    environments = workspace / "copilot/environments"
    with (environments / "overrides/cfn.patches.yml").open("a") as patches:
        patches.write((environments / "one-zone.patches.yml").read_text())
    resources = plain_templates(workspace, tmp_path)["prod/environment.yml"]["Resources"]
    assert [name for name in resources if name.startswith("NatGateway")] == ["NatGateway1Attachment", "NatGateway1"]
    assert resources["PrivateRoute2"]["Properties"]["NatGatewayId"] == {"Ref": "NatGateway1"}


def test_an_image_that_is_pulled_by_name_needs_no_repository(workspace: Path, tmp_path: Path) -> None:
    manifest = workspace / "copilot/notifier/manifest.yml"
    build = "build: {dockerfile: services/notifier/Dockerfile, context: .}"
    assert build in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(build, "location: registry.example/notifier:1"))
    assert "NotifierRepository" not in plain_templates(workspace, tmp_path)["plain/registry.yml"]["Resources"]
    told = json.loads((tmp_path / "plain/test/parameters/tweet-alerts-test-notifier.json").read_text())
    assert "ContainerImage=registry.example/notifier:1" in told


def test_two_images_in_folders_of_one_name_are_refused(workspace: Path, tmp_path: Path) -> None:
    manifest = workspace / "copilot/notifier/manifest.yml"
    manifest.write_text(manifest.read_text().replace("services/notifier/Dockerfile", "other/classifier/Dockerfile"))
    with pytest.raises(UserMistake, match=r"notifier/manifest\.yml: image\.build: .*other/classifier/Dockerfile"):
        plain_templates(workspace, tmp_path)
