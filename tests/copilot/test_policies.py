"""What the services call of AWS, against what their policies allow: nothing is missing, and nothing is too much.

They run as processes with exactly the rights that Copilot's packages give them, and are brought through everything that
makes them call AWS.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from demo.road import ROOT
from demo.stack import REGION
from deployment.copilot_package import PackagedWorkspace
from pipeline.contracts import Delivery, encode
from simulator import Settings, Simulator
from tests.support.aws_answers import AwsAnswer, model_error, unavailable
from tests.support.aws_call_recorder import AwsCallRecorder, Interference
from tests.support.aws_calls import AwsCall
from tests.support.cloudformation import evaluated, load_template
from tests.support.copilot_templates import packaged_service, policy_statements
from tests.support.deployed_services import ACCOUNT, SERVICES, DeployedServices
from tests.support.emulator import running_emulator
from tests.support.examples import a_delivery, a_post, an_alert
from tests.support.iam_policies import Right, rights_of
from tests.support.model_process import running_model
from tests.support.service_process import SECONDS, TOKEN, running_services
from tests.support.services_at_work import CallRefused, ServicesAtWork

ENVIRONMENT = "prod"
CONFIG = b"""
labels: [{name: wildfire, description: a wildfire or bushfire burning, threshold: 0.6}]
channels: {terminal: {type: stdout}, desk: {type: sns}}
routes: [{channels: [terminal, desk]}]
"""
ALARMING = "Huge wildfire near Bellbrook, bushfire burning towards the town"
HARMLESS = "Two coffees and a croissant, a quiet morning"
REFUSED = "unjudgeable"
UNANSWERED = "unanswered"
HELD = "held"


@pytest.fixture(scope="module")
def work(packaged: PackagedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServicesAtWork]:
    folder = tmp_path_factory.mktemp("policies")
    # as in the images: what counts until there is a configuration in the bucket
    shutil.copytree(ROOT / "config", folder / "config")
    with ExitStack() as opened:
        emulator = opened.enter_context(running_emulator(folder / "emulator.txt"))
        model = opened.enter_context(running_model(folder / "model.txt"))
        simulator = opened.enter_context(Simulator(Settings(bearer_token=TOKEN)))
        deployed = DeployedServices(packaged, ENVIRONMENT, emulator)
        upstreams = {"sqs": emulator.url, "sns": emulator.url, "s3": emulator.url, "sagemaker": model.url}
        recorders = {
            service: opened.enter_context(AwsCallRecorder(service, deployed.rights[service], upstreams, ACCOUNT))
            for service in SERVICES
        }
        run = opened.enter_context(running_services(folder))
        yield ServicesAtWork(deployed, recorders, emulator, simulator.url, run)


@pytest.fixture(scope="module")
def after_work(work: ServicesAtWork) -> ServicesAtWork:
    """The services have done all that they can do, or all up to the first call that was refused."""
    try:
        nothing_has_been_uploaded(work)
        work.upload(CONFIG)
        work.start(*SERVICES, endpoint_name=work.deployed.endpoint_name())
        work.until(lambda: work.readers_of_x() == 1, "stream-getter to read the stream")
        a_delivery_fails_and_is_postponed(work)
        a_post_interests_nobody(work)
        some_messages_are_poison(work)
        the_endpoint_refuses_a_text(work)
        all_stop_with_messages_in_hand(work)
    except CallRefused:
        # test_no_call_lacks_its_permission names it
        assert work.refused
    return work


def nothing_has_been_uploaded(work: ServicesAtWork) -> None:
    """The image's configuration counts; and of the two endpoints that there may be it is the serverless one."""
    classifier, notifier = work.recorders["classifier"], work.recorders["notifier"]
    serverless = work.deployed.endpoint_name(ServerlessMemory=2048)
    work.start("classifier", "notifier", endpoint_name=serverless)
    work.until(lambda: classifier.saw("sagemaker:InvokeEndpoint", endpoint(serverless)), "a call of the endpoint")
    work.until(lambda: notifier.saw("sqs:ReceiveMessage", work.arn("alerts")), "notifier to receive")
    work.ask_to_stop()
    assert places_of_the_configuration(work) == {"classifier": "config/alerts.yaml", "notifier": "config/alerts.yaml"}


def a_delivery_fails_and_is_postponed(work: ServicesAtWork) -> None:
    notifier, deliveries = work.recorders["notifier"], work.arn("deliveries")
    with notifier.interfering(when("sns:Publish", "", unavailable)):
        work.post(ALARMING)
        work.until(lambda: notifier.saw("sqs:SendMessage", deliveries, rb"\"attempt\":2"), "a delivery to be put off")
    work.until(lambda: work.messages("deliveries") == (0, 0, 0), "the delivery to succeed")


def a_post_interests_nobody(work: ServicesAtWork) -> None:
    work.post(HARMLESS)
    work.until(lambda: judged(work, HARMLESS), "its judgement")
    work.until(lambda: work.messages("posts") == (0, 0, 0), "the post to be done with")
    assert not work.recorders["classifier"].saw("sqs:SendMessage", work.arn("alerts"), HARMLESS.encode())


def some_messages_are_poison(work: ServicesAtWork) -> None:
    queues = ("posts", "alerts", "deliveries")
    for queue in queues:
        work.send(queue, "poison")
    work.until(lambda: all(work.messages(f"{queue}-dlq") == (1, 0, 0) for queue in queues), "three dead letters")


def the_endpoint_refuses_a_text(work: ServicesAtWork) -> None:
    refuse = when("sagemaker:InvokeEndpoint", REFUSED, lambda _call: model_error(400, "cannot judge that"))
    with work.recorders["classifier"].interfering(refuse):
        work.post(REFUSED)
        work.until(lambda: work.messages("posts-dlq") == (2, 0, 0), "the post to be a dead letter")


def all_stop_with_messages_in_hand(work: ServicesAtWork) -> None:
    """A post that waits for the endpoint; deliveries that wait for SNS, and an alert that waits for its deliveries."""
    classifier, notifier = work.recorders["classifier"], work.recorders["notifier"]
    topic, deliveries = work.deployed.exported("NotificationsTopicArn"), work.arn("deliveries")
    let_go = threading.Event()

    def hold(call: AwsCall) -> None:
        if (call.action, call.resource) in {("sns:Publish", topic), ("sqs:SendMessage", deliveries)}:
            let_go.wait(SECONDS)

    unanswered = when("sagemaker:InvokeEndpoint", UNANSWERED, unavailable)
    with classifier.interfering(unanswered), notifier.interfering(hold):
        work.send("posts", encode(a_post(text=UNANSWERED)))
        work.until(lambda: judged(work, UNANSWERED), "a post in hand")
        work.send("deliveries", encode(held_delivery("first")))
        work.until(lambda: notifier.saw("sns:Publish", topic, HELD.encode()), "a delivery under way")
        work.send("deliveries", encode(held_delivery("second")))
        work.until(lambda: work.messages("deliveries") == (0, 2, 0), "another one behind it")
        work.send("alerts", encode(an_alert("wildfire", post=a_post(text=HELD))))
        work.until(lambda: notifier.saw("sqs:SendMessage", deliveries, HELD.encode()), "an alert in hand")
        work.ask_to_stop()
        at_once = b'"VisibilityTimeout": 0'
        work.until(lambda: notifier.saw("sqs:ChangeMessageVisibility", work.arn("alerts"), at_once), "it to come back")
        let_go.set()
        uploaded = f"s3://{work.deployed.exported('StateBucketName')}/config/alerts.yaml"
        assert places_of_the_configuration(work) == {"classifier": uploaded, "notifier": uploaded}
    assert work.messages("posts") == (1, 0, 0)
    assert work.messages("alerts") == (1, 0, 0)
    # the second delivery and those of the alert; on a slow machine SNS seems to have failed with the first one too
    assert work.messages("deliveries")[0] >= 3


def when(action: str, text: str, answer: Callable[[AwsCall], AwsAnswer]) -> Interference:
    """Answers calls of the action whose body has the text."""
    return lambda call: answer(call) if call.action == action and text.encode() in call.body else None


def judged(work: ServicesAtWork, text: str) -> bool:
    model = endpoint(work.deployed.endpoint_name())
    return work.recorders["classifier"].saw("sagemaker:InvokeEndpoint", model, text.encode())


def endpoint(name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{name}"


def held_delivery(id_: str) -> Delivery:
    return a_delivery(id_, post=a_post(text=HELD), expires_at=datetime.now(UTC) + timedelta(hours=1))


def places_of_the_configuration(work: ServicesAtWork) -> dict[str, str]:
    """Where each service that has ended had its configuration from."""
    return {
        service: line["place"]
        for service, log in work.logs_at_the_end().items()
        for line in log
        if line["event"] == "configuration in force"
    }


def rights_without_a_call(work: ServicesAtWork) -> dict[Right, str]:
    """What policies allow and no call shows, and why it is there all the same."""
    bucket = work.deployed.exported("StateBucketArn")
    of_bluesky = "of the source bluesky, which is not run here"
    not_there = "without it S3 answers 403, not 404, for a configuration that nobody has uploaded"
    return {
        Right("classifier", "s3:ListBucket", bucket): not_there,
        Right("notifier", "s3:ListBucket", bucket): not_there,
        Right("stream-getter", "s3:ListBucket", bucket): not_there,
        Right("stream-getter", "sqs:SendMessage", work.arn("alerts")): "for notices, of spend and of silence",
        Right("stream-getter", "s3:GetObject", f"{bucket}/config/alerts.yaml"): of_bluesky,
        Right("stream-getter", "s3:GetObject", f"{bucket}/state/stream-getter/bluesky-cursor.json"): of_bluesky,
        Right("stream-getter", "s3:PutObject", f"{bucket}/state/stream-getter/bluesky-cursor.json"): of_bluesky,
    }


def test_no_call_lacks_its_permission(after_work: ServicesAtWork) -> None:
    assert after_work.recorded - after_work.deployed.all_rights == frozenset()
    assert after_work.refused == []


def test_no_permission_lacks_its_call(after_work: ServicesAtWork) -> None:
    if after_work.refused:
        pytest.fail("a call was refused, and the rest was not done: see test_no_call_lacks_its_permission")
    assert after_work.deployed.all_rights - after_work.recorded == rights_without_a_call(after_work).keys()


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_allows_exact_actions_on_exact_resources(packaged: PackagedWorkspace, service: str) -> None:
    for environment, files in packaged.environments.items():
        addons = files.services[service].addons
        assert addons is not None
        parameters = {"App": packaged.application, "Env": environment, "Name": service}
        imports = {f"{packaged.application}-{environment}-StateBucketArn": "arn:aws:s3:::made-up"}
        # raises InexactStatement for any other
        assert rights_of(service, evaluated(load_template(addons), parameters, imports))


@pytest.mark.parametrize("service", SERVICES)
def test_a_production_task_has_no_rights_beside_those(packaged: PackagedWorkspace, service: str) -> None:
    stack = packaged_service(packaged, "prod", service)
    assert [each for each in policy_statements(stack) if each.place.startswith("TaskRole/")] == []
