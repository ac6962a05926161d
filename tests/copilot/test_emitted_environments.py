"""The environments as Copilot would deploy them: network, queues, topic, model, bucket, alarms."""

from pathlib import Path
from typing import Any

import pytest

from deployment.copilot_package import PackagedWorkspace
from tests.support.cloudformation import load_template
from tests.support.copilot_templates import packaged_addons, packaged_environment

ENVIRONMENTS = ("test", "prod")
QUEUES = ("Posts", "Alerts", "Deliveries")

Resources = dict[str, dict[str, Any]]


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def addons(packaged: PackagedWorkspace, environment: str) -> Resources:
    """The environment's own resources, with the parameters that are in the repository."""
    found: Resources = packaged_addons(packaged.environments[environment])["Resources"]
    return found


def with_model(packaged: PackagedWorkspace, **changed: Any) -> Resources:
    found: Resources = packaged_addons(packaged.environments["test"], **changed)["Resources"]
    return found


def of_type(found: Resources, kind: str) -> Resources:
    return {name: body["Properties"] for name, body in found.items() if body["Type"] == kind}


def test_the_cluster_counts_its_tasks(packaged: PackagedWorkspace, environment: str) -> None:
    cluster = packaged_environment(packaged.environments[environment])["Resources"]["Cluster"]["Properties"]
    assert {"Name": "containerInsights", "Value": "enabled"} in cluster["ClusterSettings"]


def test_lambda_functions_run_on_what_aws_still_takes(packaged: PackagedWorkspace, environment: str) -> None:
    template = load_template(packaged.environments[environment].template)
    functions = of_type(template["Resources"], "AWS::Lambda::Function")
    assert set(functions) == {"CertificateValidationFunction", "CustomDomainFunction", "DNSDelegationFunction"}
    assert {function["Runtime"] for function in functions.values()} == {"nodejs24.x"}


def test_names_carry_application_and_environment(addons: Resources, environment: str) -> None:
    names = {queue["QueueName"] for queue in of_type(addons, "AWS::SQS::Queue").values()}
    assert names == {
        f"tweet-alerts-{environment}-{name}{part}"
        for name in ("posts", "alerts", "deliveries")
        for part in ("", "-dlq")
    }
    assert addons["NotificationsTopic"]["Properties"]["TopicName"] == f"tweet-alerts-{environment}-notifications"


def test_everything_stored_is_encrypted(addons: Resources) -> None:
    assert all(queue["SqsManagedSseEnabled"] for queue in of_type(addons, "AWS::SQS::Queue").values())
    assert addons["NotificationsTopic"]["Properties"]["KmsMasterKeyId"] == "alias/aws/sns"
    (rule,) = addons["StateBucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_plain_http_is_refused_everywhere(addons: Resources) -> None:
    refused: set[str] = set()
    for body in addons.values():
        for statement in body["Properties"].get("PolicyDocument", {}).get("Statement", []):
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}:
                assert statement["Principal"] == "*"
                listed = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                refused |= set(body["Properties"].get("Queues", listed))
    kinds = ("AWS::SQS::Queue", "AWS::SNS::Topic")
    assert refused == {
        *(f"<{name}>" for name, body in addons.items() if body["Type"] in kinds),
        "<StateBucket.Arn>",
        "<StateBucket.Arn>/*",
    }


def test_the_bucket_is_private_versioned_and_forgets_old_versions(addons: Resources) -> None:
    bucket = addons["StateBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["forget-earlier-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert all(rule["Status"] == "Enabled" for rule in rules.values())


@pytest.mark.parametrize("queue", QUEUES)
def test_a_dead_letter_and_an_old_message_tell_the_operators(addons: Resources, environment: str, queue: str) -> None:
    dead_letters = addons[f"{queue}DeadLettersAlarm"]["Properties"]
    assert dead_letters["AlarmName"] == f"tweet-alerts-{environment}-{queue.lower()}-dead-letters"
    assert dead_letters["Dimensions"] == [{"Name": "QueueName", "Value": f"<{queue}DeadLetterQueue.QueueName>"}]
    assert dead_letters["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (dead_letters["Threshold"], dead_letters["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    age = addons[f"{queue}AgeAlarm"]["Properties"]
    assert age["MetricName"] == "ApproximateAgeOfOldestMessage"
    assert age["Dimensions"] == [{"Name": "QueueName", "Value": f"<{queue}Queue.QueueName>"}]


def test_every_alarm_reaches_the_operators_and_names_a_paragraph_of_the_runbook(addons: Resources) -> None:
    runbook = Path("docs/runbook.md").read_text(encoding="utf-8")
    alarms = of_type(addons, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 8
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["<OperatorsTopic>"]
        paragraph = alarm["AlarmDescription"].rpartition("docs/runbook.md, ")[2]
        assert f"\n## {paragraph}\n" in runbook


def test_trouble_of_the_endpoint_tells_the_operators(addons: Resources) -> None:
    for name, metric in {"EndpointErrorsAlarm": "Invocation5XXErrors", "EndpointSlowAlarm": "ModelLatency"}.items():
        alarm = addons[name]["Properties"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SageMaker", metric)
        assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
            "EndpointName": "<Endpoint.EndpointName>",
            "VariantName": "main",
        }


def test_by_default_a_hugging_face_model_runs_in_awss_own_container(packaged: PackagedWorkspace) -> None:
    model = with_model(packaged)["Model"]["Properties"]
    container = model["PrimaryContainer"]
    assert container["Image"].startswith("763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-inference:")
    assert container["Environment"]["HF_TASK"] == "zero-shot-classification"
    assert container["Environment"]["HF_MODEL_ID"].count("/") == 1
    assert model["EnableNetworkIsolation"] is False


@pytest.mark.parametrize(("memory", "isolated"), [(0, True), (4096, False)], ids=["instances", "serverless"])
def test_our_own_image_runs_without_a_network_where_that_is_possible(
    packaged: PackagedWorkspace, memory: int, isolated: bool
) -> None:
    found = with_model(packaged, OwnModelImageTag="v1", ServerlessMemory=memory)
    model = found["Model"]["Properties"]
    assert model["PrimaryContainer"] == {"Image": "<ModelRepository.RepositoryUri>:v1"}
    assert model["EnableNetworkIsolation"] is isolated
    pull = found["ModelRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    assert pull["Resource"] == "<ModelRepository.Arn>"
    assert found["ModelNameParameter"]["Properties"]["Value"] == "minilm"


def test_instances_are_scaled_on_calls_under_way(packaged: PackagedWorkspace) -> None:
    found = with_model(packaged, MinimumInstances=2, MaximumInstances=5)
    (variant,) = found["EndpointConfiguration"]["Properties"]["ProductionVariants"]
    assert variant["InitialInstanceCount"] == 2
    assert variant["InstanceType"].startswith("ml.")
    assert "ServerlessConfig" not in variant
    target = found["EndpointScalingTarget"]["Properties"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 5)
    assert target["ResourceId"] == "endpoint/<Endpoint.EndpointName>/variant/main"
    tracking = found["EndpointScalingPolicy"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["PredefinedMetricSpecification"]["PredefinedMetricType"].startswith("SageMakerVariantConcurrent")


def test_serverless_has_memory_and_no_instances(packaged: PackagedWorkspace) -> None:
    found = with_model(packaged, ServerlessMemory=3072)
    (variant,) = found["EndpointConfiguration"]["Properties"]["ProductionVariants"]
    assert variant["ServerlessConfig"]["MemorySizeInMB"] == 3072
    assert "InstanceType" not in variant
    assert "EndpointScalingTarget" not in found
    assert "EndpointScalingPolicy" not in found


@pytest.mark.parametrize(("memory", "suffix"), [(0, ""), (2048, "-serverless")])
def test_the_endpoints_name_is_one_that_classifier_may_call_and_its_logs_end(
    packaged: PackagedWorkspace, memory: int, suffix: str
) -> None:
    found = with_model(packaged, ServerlessMemory=memory)
    name = f"tweet-alerts-test-zero-shot{suffix}"
    assert found["Endpoint"]["Properties"]["EndpointName"] == name
    logs = found["ModelLogs"]["Properties"]
    assert (logs["LogGroupName"], logs["RetentionInDays"]) == (f"/aws/sagemaker/Endpoints/{name}", 30)


def test_what_changes_with_the_model_is_a_parameter_that_copilots_roles_may_read(
    addons: Resources, environment: str
) -> None:
    for name, path in {"EndpointNameParameter": "endpoint-name", "ModelNameParameter": "name"}.items():
        parameter = addons[name]["Properties"]
        assert parameter["Name"] == f"/copilot/tweet-alerts/{environment}/model/{path}"
        assert parameter["Tags"] == {"copilot-application": "tweet-alerts", "copilot-environment": environment}


def test_images_of_the_model_are_scanned_and_old_ones_go(addons: Resources) -> None:
    repository = addons["ModelRepository"]["Properties"]
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert "expire" in repository["LifecyclePolicy"]["LifecyclePolicyText"]
