"""The services as Copilot would deploy them: read from the templates that it writes, since it drops much in silence."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import classifier.settings
import notifier.settings
import stream_getter.bluesky.settings
import stream_getter.settings
import stream_getter.x.settings
from deployment.copilot_package import PackagedWorkspace
from pipeline.settings import CommonSettings
from tests.support.copilot_templates import packaged_addons, packaged_service

ENVIRONMENTS = ("test", "prod")
SETTINGS: dict[str, tuple[type[CommonSettings], ...]] = {
    "stream-getter": (
        stream_getter.settings.Settings,
        stream_getter.x.settings.XSettings,
        stream_getter.bluesky.settings.BlueskySettings,
    ),
    "classifier": (classifier.settings.Settings,),
    "notifier": (notifier.settings.Settings,),
}
ALL = (*SETTINGS, "monitoring")

each_environment = pytest.mark.parametrize("environment", ENVIRONMENTS)
each_service = pytest.mark.parametrize("service", SETTINGS)
each = pytest.mark.parametrize("service", ALL)

Stack = dict[str, Any]


@pytest.fixture(scope="module")
def stack(packaged: PackagedWorkspace) -> Callable[[str, str], Stack]:
    """A service's stack in an environment, by their names."""
    made = {(env, name): packaged_service(packaged, env, name) for env in ENVIRONMENTS for name in ALL}
    return lambda service, environment: made[environment, service]


StackOf = Callable[[str, str], Stack]


def properties(stack: Stack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack["Resources"][name]["Properties"]
    return found


def container(stack: Stack, name: str) -> dict[str, Any]:
    (found,) = [each for each in properties(stack, "TaskDefinition")["ContainerDefinitions"] if each["Name"] == name]
    return dict(found)


def pairs(entries: list[dict[str, Any]], value: str) -> dict[str, Any]:
    return {entry["Name"]: entry[value] for entry in entries}


def test_both_environments_have_all_services(packaged: PackagedWorkspace) -> None:
    services = {name: set(environment.services) for name, environment in packaged.environments.items()}
    assert services == {name: set(ALL) for name in ENVIRONMENTS}


@each_environment
@each_service
def test_it_is_given_every_setting_that_it_requires_and_none_that_it_does_not_know(
    stack: StackOf, service: str, environment: str
) -> None:
    task = container(stack(service, environment), service)
    given = {*pairs(task["Environment"], "Value"), *pairs(task.get("Secrets", []), "ValueFrom")}
    fields = {field.encode_name: field.required for kind in SETTINGS[service] for field in msgspec.structs.fields(kind)}
    own = {name for name in given if not name.startswith("COPILOT_")}
    assert own <= fields.keys()
    assert {name for name, required in fields.items() if required} <= own


@each_environment
def test_variables_lead_to_this_environments_own_resources(stack: StackOf, environment: str) -> None:
    queues = {
        "POSTS_QUEUE_URL": "<PostsQueue>",
        "POSTS_DEAD_LETTER_QUEUE_URL": "<PostsDeadLetterQueue>",
        "ALERTS_QUEUE_URL": "<AlertsQueue>",
        "ALERTS_DEAD_LETTER_QUEUE_URL": "<AlertsDeadLetterQueue>",
        "DELIVERIES_QUEUE_URL": "<DeliveriesQueue>",
        "DELIVERIES_DEAD_LETTER_QUEUE_URL": "<DeliveriesDeadLetterQueue>",
        "SNS_TOPIC_ARN": "<NotificationsTopic>",
        "AWS_REGION": "eu-west-1",
        "STATE": "s3://<StateBucket>/state",
        "ALERTS_CONFIG": "s3://<StateBucket>/config/alerts.yaml config/alerts.yaml",
    }
    for service in SETTINGS:
        given = pairs(container(stack(service, environment), service)["Environment"], "Value")
        own = {name: value for name, value in given.items() if not name.startswith("COPILOT_")}
        assert own == {name: queues[name] for name in own}


@each_environment
def test_secrets_come_from_the_parameter_store(stack: StackOf, environment: str) -> None:
    folder = f"/copilot/tweet-alerts/{environment}"
    secrets = {
        service: pairs(container(stack(service, environment), service).get("Secrets", []), "ValueFrom")
        for service in SETTINGS
    }
    assert secrets == {
        "stream-getter": {"X_BEARER_TOKEN": f"{folder}/secrets/X_BEARER_TOKEN"},
        "classifier": {"ENDPOINT_NAME": f"{folder}/model/endpoint-name", "MODEL_NAME": f"{folder}/model/name"},
        "notifier": {},
    }
    grafana = container(stack("monitoring", environment), "grafana")
    assert pairs(grafana["Secrets"], "ValueFrom") == {
        "GF_SECURITY_ADMIN_PASSWORD": f"{folder}/secrets/GRAFANA_ADMIN_PASSWORD"
    }


@each_environment
@each
def test_tasks_are_reached_from_nowhere_outside(stack: StackOf, service: str, environment: str) -> None:
    network = properties(stack(service, environment), "Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert network["Subnets"] == ["<PrivateSubnet1>", "<PrivateSubnet2>"]
    assert network["SecurityGroups"] == ["<EnvironmentSecurityGroup>"]
    kinds = {resource["Type"] for resource in stack(service, environment)["Resources"].values()}
    assert not {kind for kind in kinds if kind.startswith("AWS::ElasticLoadBalancing")}


@each_environment
@pytest.mark.parametrize("service", ["stream-getter", "notifier", "monitoring"])
def test_there_is_one_task_and_the_old_one_ends_before_the_new_one_starts(
    stack: StackOf, service: str, environment: str
) -> None:
    own = properties(stack(service, environment), "Service")
    assert own["DesiredCount"] == "1"
    assert own["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
    assert own["DeploymentConfiguration"]["MaximumPercent"] == 100


@each_environment
def test_classifier_is_replaced_without_a_gap(stack: StackOf, environment: str) -> None:
    deployment = properties(stack("classifier", environment), "Service")["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)


@each_environment
@each
def test_a_deploy_that_fails_is_rolled_back(stack: StackOf, service: str, environment: str) -> None:
    deployment = properties(stack(service, environment), "Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


@each_environment
@each_service
def test_alarms_that_roll_back_exist(
    packaged: PackagedWorkspace, stack: StackOf, service: str, environment: str
) -> None:
    alarms = properties(stack(service, environment), "Service")["DeploymentConfiguration"]["Alarms"]
    assert (alarms["Enable"], alarms["Rollback"]) == (True, True)
    made = {
        resource["Properties"]["AlarmName"]
        for part in (stack(service, environment), packaged_addons(packaged.environments[environment]))
        for resource in part["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert set(alarms["AlarmNames"]) <= made
    prefix = f"tweet-alerts-{environment}"
    assert (
        set(alarms["AlarmNames"])
        == {
            "stream-getter": {
                f"{prefix}-stream-getter-CopilotRollbackCPUAlarm",
                f"{prefix}-stream-getter-CopilotRollbackMemAlarm",
            },
            "classifier": {f"{prefix}-posts-dead-letters"},
            "notifier": {f"{prefix}-alerts-dead-letters", f"{prefix}-deliveries-dead-letters"},
        }[service]
    )


@each_environment
@each_service
def test_health_is_asked_of_the_probe_that_no_outage_of_others_fails(
    stack: StackOf, service: str, environment: str
) -> None:
    check = container(stack(service, environment), service)["HealthCheck"]
    assert check["Command"][:3] == ["CMD", "python", "-c"]
    assert "http://127.0.0.1:9100/startupz" in check["Command"][3]
    compile(check["Command"][3], "health check", "exec")
    assert check["StartPeriod"] >= 60


@each_service
def test_nobody_gets_into_a_production_task_and_it_cannot_write(stack: StackOf, service: str) -> None:
    assert not properties(stack(service, "prod"), "Service").get("EnableExecuteCommand", False)
    assert container(stack(service, "prod"), service)["ReadonlyRootFilesystem"] is True


@each_service
def test_a_task_that_may_be_entered_can_write(stack: StackOf, service: str) -> None:
    assert properties(stack(service, "test"), "Service")["EnableExecuteCommand"] is True
    assert not container(stack(service, "test"), service).get("ReadonlyRootFilesystem", False)


@each_environment
def test_the_way_to_grafana_is_open(stack: StackOf, environment: str) -> None:
    own = stack("monitoring", environment)
    assert properties(own, "Service")["EnableExecuteCommand"] is True
    assert container(own, "grafana")["PortMappings"] == [{"ContainerPort": 3000, "Protocol": "tcp"}]
    assert pairs(container(own, "grafana")["Environment"], "Value")["PROMETHEUS_URL"] == "http://localhost:9090"


@each_environment
@each
def test_prometheus_finds_the_tasks_by_name(stack: StackOf, service: str, environment: str) -> None:
    discovery = properties(stack(service, environment), "DiscoveryService")
    assert discovery["Name"] == service
    assert {record["Type"] for record in discovery["DnsConfig"]["DnsRecords"]} >= {"A"}
    assert properties(stack(service, environment), "Service")["ServiceRegistries"]


@each_environment
@each
def test_logs_end_after_a_month(stack: StackOf, service: str, environment: str) -> None:
    assert properties(stack(service, environment), "LogGroup")["RetentionInDays"] == "30"


@each_environment
def test_classifier_is_scaled_on_what_waits_for_each_task(
    packaged: PackagedWorkspace, stack: StackOf, environment: str
) -> None:
    own = stack("classifier", environment)
    target = properties(own, "AutoScalingTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 6)
    policies = {
        name: resource["Properties"]
        for name, resource in own["Resources"].items()
        if resource["Type"] == "AWS::ApplicationAutoScaling::ScalingPolicy"
    }
    assert set(policies) == {"BacklogPerTaskScalingPolicy"}
    tracking = policies["BacklogPerTaskScalingPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    metrics = {metric["Id"]: metric for metric in tracking["CustomizedMetricSpecification"]["Metrics"]}
    assert metrics["backlog"]["Expression"] == "waiting / running"
    assert [metric["Id"] for metric in metrics.values() if metric["ReturnData"]] == ["backlog"]
    waiting = metrics["waiting"]["MetricStat"]["Metric"]
    assert waiting["MetricName"] == "ApproximateNumberOfMessagesVisible"
    queues = packaged_addons(packaged.environments[environment])["Resources"]
    assert pairs(waiting["Dimensions"], "Value") == {"QueueName": queues["PostsQueue"]["Properties"]["QueueName"]}
    running = metrics["running"]["MetricStat"]["Metric"]
    assert (running["Namespace"], running["MetricName"]) == ("ECS/ContainerInsights", "RunningTaskCount")
    assert pairs(running["Dimensions"], "Value") == {"ClusterName": "<Cluster>", "ServiceName": "<Service.Name>"}


@each_environment
@each
def test_lambda_functions_run_on_what_aws_still_takes(stack: StackOf, service: str, environment: str) -> None:
    functions = {
        name: resource["Properties"]["Runtime"]
        for name, resource in stack(service, environment)["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    assert functions
    assert set(functions.values()) == {"nodejs24.x"}
