"""`make templates`: plain CloudFormation, equal to Copilot's but for what is listed here with its reason."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployment.copilot_package import PackagedWorkspace, package
from deployment.templates.files import write_templates
from deployment.templates.images import Images
from tests.support.cloudformation import load_template, resources, walk
from tests.support.copilot_templates import environment_exports, packaged_environment, packaged_service
from tests.support.plain_templates import APPLICATION, SERVICES, PlainEnvironment

REPOSITORY = Path(__file__).parents[2]
IMAGES = Images("111122223333.dkr.ecr.eu-west-1.amazonaws.com/tweet-alerts-images", "abc")
#: Bytes of a template that `aws cloudformation deploy` sends without --s3-bucket: "CloudFormation quotas".
LARGEST_WITHOUT_BUCKET = 51_200

#: Bootstrap roles of Copilot's environment; CloudFormation keeps the roles themselves (DeletionPolicy: Retain).
BOOTSTRAP = {"CloudformationExecutionRole", "EnvironmentManagerRole"}
#: Outputs of the environment that are about those roles, or only make a template differ from the one before.
BOOTSTRAP_OUTPUTS = {"EnvironmentManagerRoleARN", "CFNExecutionRoleARN", "EnabledFeatures", "LastForceDeployID"}
#: Functions of a service, what they stand behind, and their roles.
MACHINERY = {"EnvControllerAction", "EnvControllerFunction", "EnvControllerRole"}
COUNT_MACHINERY = {"DynamicDesiredCountAction", "DynamicDesiredCountFunction", "DynamicDesiredCountFunctionRole"}
#: What cfn-lint says of the files, and why it stays.
LINT = {
    "W3002": "`aws cloudformation package` is the command that the local TemplateURL is for",
    "W3005": "Copilot names the log group twice; that the resource stays as it was weighs more",
}

each_environment = pytest.mark.parametrize("environment", ["test", "prod"])
each_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def folder(packaged: PackagedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("plain")
    write_templates(packaged, output, IMAGES)
    return output


@pytest.fixture(scope="module")
def environments(folder: Path) -> dict[str, PlainEnvironment]:
    return {name: PlainEnvironment(name, folder / name) for name in ("test", "prod")}


@pytest.fixture
def plain(environments: dict[str, PlainEnvironment], environment: str) -> PlainEnvironment:
    return environments[environment]


def templates(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.yml"))
    assert len(found) == 2 * (2 + 4 + 3) + 1
    return found


@each_environment
def test_the_environment_is_copilots_without_its_account_machinery(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str
) -> None:
    copilots, ours = packaged_environment(packaged.environments[environment]), plain.environment()
    expected = {name: entry for name, entry in copilots["Resources"].items() if name not in BOOTSTRAP}
    switched = {name for name, entry in expected.items() if entry.pop("Condition", None) == "CreateNATGateways"}
    assert {f"{kind}{zone}" for kind in ("NatGateway", "PrivateRoute") for zone in (1, 2)} < switched
    expected["AddonsStack"]["Properties"]["TemplateURL"] = "./environment-addons.yml"
    assert ours["Resources"].keys() == expected.keys()
    for name, resource in expected.items():
        assert ours["Resources"][name] == resource, name


@each_environment
def test_the_environment_exports_the_same_and_what_only_the_plain_one_has(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str
) -> None:
    copilots, ours = packaged_environment(packaged.environments[environment]), plain.environment()
    expected = {name: output for name, output in copilots["Outputs"].items() if name not in BOOTSTRAP_OUTPUTS}
    expected["PrivateRouteTableIDs"].pop("Condition")
    own = ours["Outputs"].pop("PrivateSubnetsWithoutCopilot")
    assert ours["Outputs"] == expected
    assert own["Value"] == expected["PrivateSubnets"]["Value"]


@each_environment
@each_service
def test_a_service_is_copilots_without_its_functions(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str, service: str
) -> None:
    expected = packaged_service(packaged, environment, service)
    scales = service == "classifier"
    without = MACHINERY | (COUNT_MACHINERY if scales else set())
    assert without <= expected["Resources"].keys()
    stack = {name: entry for name, entry in expected["Resources"].items() if name not in without}
    assert stack["Service"].pop("DependsOn") == ["EnvControllerAction"]
    if scales:
        # "AWS::ECS::Service": left out, DesiredCount is what the service has, which is for scaling to say
        assert "DynamicDesiredCountAction" in stack["Service"]["Properties"].pop("DesiredCount")
    if service == "monitoring":
        # HasAddons does not hold: this service has none
        del stack["AddonsStack"]
    else:
        addons = stack["AddonsStack"]
        assert (addons.pop("DependsOn"), addons.pop("Condition")) == ("EnvControllerAction", "HasAddons")
        addons["Properties"]["TemplateURL"] = f"./{service}-addons.yml"
    # for environment files in Copilot's bucket, of which there are none
    statements = stack["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (bucket_key,) = [each for each in statements if str(each["Resource"][0]).endswith("key/0")]
    statements.remove(bucket_key)
    for container in stack["TaskDefinition"]["Properties"]["ContainerDefinitions"]:
        assert container.pop("EnvironmentFiles") == []
        repository = {"monitoring": "prometheus"}.get(container["Name"], container["Name"])
        assert container["Image"] == (None if repository == "grafana" else "image")
        container["Image"] = IMAGES.name(repository)
    ours = plain.service(service)
    assert ours["Resources"].keys() == stack.keys()
    for name, resource in stack.items():
        assert ours["Resources"][name] == resource, name
    assert ours["Outputs"] == expected["Outputs"]


@each_environment
def test_addons_are_copilots_to_the_letter(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str
) -> None:
    files = packaged.environments[environment]
    copilots = {"environment": files.addons, **{name: each.addons for name, each in files.services.items()}}
    for name, addons in copilots.items():
        file = plain.folder / f"{name}-addons.yml"
        assert file.exists() == (addons is not None)
        if addons is not None:
            assert file.read_text().partition("\n")[2] == addons.read_text()


@each_environment
def test_a_stack_is_told_all_its_parameters_and_copilots_tags(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str
) -> None:
    files = packaged.environments[environment]
    copilots = {plain.stack_name: files.parameters}
    copilots |= {f"{plain.stack_name}-{name}": each.parameters for name, each in files.services.items()}
    for stack, template in plain.stacks:
        told = json.loads(copilots[stack].read_text())
        parameters = plain.template(template)["Parameters"]
        given = plain.parameters(stack)
        assert list(given) == list(parameters)
        # with a default, `deploy` would keep a running stack's value where a file no longer named it
        assert not [name for name, each in parameters.items() if "Default" in each]
        images = {name: given.pop(name) for name in list(given) if name.endswith("Image")}
        assert given == {name: told["Parameters"][name] for name in given}
        assert all(re.fullmatch(parameters[name]["AllowedPattern"], image) for name, image in images.items())
        assert not any(re.fullmatch(parameters[name]["AllowedPattern"], "") for name in images)
        assert bool(images) == (stack != plain.stack_name)
        # without them, `make config` does not find the services, nor may a task read its secrets
        assert plain.tags(stack) == told["Tags"]


@each_environment
@each_service
def test_whatever_a_service_imports_is_exported(plain: PlainEnvironment, service: str) -> None:
    names = [f"{service}.yml"] + ([f"{service}-addons.yml"] if service != "monitoring" else [])
    values = {"AppName": APPLICATION, "EnvName": plain.name, "App": APPLICATION, "Env": plain.name}
    imported = set()
    for name in names:
        for _, value in walk(plain.template(name)):
            if isinstance(value, dict) and "Fn::ImportValue" in value:
                wanted = value["Fn::ImportValue"]
                text = wanted if isinstance(wanted, str) else wanted["Fn::Sub"]
                imported.add(re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text))
    assert f"{plain.stack_name}-ClusterId" in imported
    assert imported <= plain.exports().keys()


@each_environment
@each_service
def test_a_service_is_refused_where_the_environment_is_still_copilots(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str, service: str
) -> None:
    copilots = environment_exports(packaged.environments[environment])
    (subnets,) = resources(plain.template(f"{service}.yml"), "AWS::ECS::Service").values()
    wanted = json.dumps(subnets["NetworkConfiguration"])
    assert "${AppName}-${EnvName}-PrivateSubnetsWithoutCopilot" in wanted
    assert f"{plain.stack_name}-PrivateSubnetsWithoutCopilot" not in copilots


def entered(parameters: dict[str, str], service: str) -> list[str]:
    """The parameters of an environment that Copilot's env-controller.js would take ``service`` out of when deleted."""
    return [name for name, value in parameters.items() if name.endswith("Workloads") and service in value.split(",")]


@each_environment
@each_service
def test_copilots_controller_finds_nothing_to_take_back(
    packaged: PackagedWorkspace, plain: PlainEnvironment, environment: str, service: str
) -> None:
    told = json.loads(packaged.environments[environment].parameters.read_text())["Parameters"]
    assert entered({**told, "NATWorkloads": ",".join(SERVICES)}, service) == ["NATWorkloads"]
    parameters = plain.parameters(plain.stack_name)
    assert entered(parameters, service) == []
    assert "Aliases" not in parameters
    # it reads both lists without asking whether they are there
    assert parameters
    assert plain.environment()["Outputs"]


def test_nothing_of_copilots_account_is_left(folder: Path) -> None:
    words = r"AWS::Lambda|Custom::|stackset|123456789012|CFNExecutionRole|EnvManagerRole|ArtifactKey|env-?file|v1\.34"
    for file in [*templates(folder), *folder.rglob("*.json")]:
        assert not re.search(words, file.read_text(), re.IGNORECASE), file


def test_cfn_lint_finds_only_what_is_listed(folder: Path) -> None:
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--region", "eu-west-1", "--format", "parseable"]
    command += ["--template", *map(str, templates(folder))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not done.stderr
    found = [line for line in done.stdout.splitlines() if line]
    assert {line.split(":")[5] for line in found} == LINT.keys(), found


def test_every_file_tells_what_made_it_and_is_small_enough(folder: Path) -> None:
    for file in templates(folder):
        assert re.fullmatch(
            r"# Made by `make templates` from .+: change that, not this\.", file.read_text().split("\n")[0]
        )
        assert file.stat().st_size < LARGEST_WITHOUT_BUCKET


def test_the_region_makes_no_difference_nor_does_another_run(folder: Path, tmp_path: Path) -> None:
    elsewhere = package(REPOSITORY, tmp_path / "packaged", "ap-southeast-2")
    written = write_templates(elsewhere, tmp_path / "plain", IMAGES)
    assert {file.relative_to(tmp_path / "plain") for file in written} == {
        file.relative_to(folder) for file in folder.rglob("*.*")
    }
    for file in written:
        assert file.read_bytes() == (folder / file.relative_to(tmp_path / "plain")).read_bytes(), file


def test_the_registry_has_a_repository_for_each_image(folder: Path, environments: dict[str, PlainEnvironment]) -> None:
    repositories = {each["RepositoryName"]: each for each in _repositories(folder)}
    wanted = {
        image
        for plain in environments.values()
        for stack, _ in plain.stacks
        for parameter, image in plain.parameters(stack).items()
        if parameter.endswith("Image")
    }
    assert wanted == {f"{IMAGES.registry.partition('/')[0]}/{name}:{IMAGES.tag}" for name in repositories}
    assert len(repositories) == 5
    for properties in repositories.values():
        assert properties["ImageTagMutability"] == "IMMUTABLE"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        (rule,) = json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert (rule["selection"]["countType"], rule["selection"]["countNumber"]) == ("imageCountMoreThan", 10)


def test_repositories_do_not_get_in_the_way_of_copilots(folder: Path) -> None:
    # Copilot calls its own application/service, and pulls from there until all services are taken over
    names = {each["RepositoryName"] for each in _repositories(folder)}
    assert not names & {f"{APPLICATION}/{service}" for service in SERVICES}


def _repositories(folder: Path) -> list[dict[str, Any]]:
    return list(resources(load_template(folder / "registry.yml"), "AWS::ECR::Repository").values())
