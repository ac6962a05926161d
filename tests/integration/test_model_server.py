"""The endpoint as a real process: over HTTP, through SageMaker Runtime's client, and its end."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.model_process import ModelProcess, run_model_to_its_end, running_model

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient

QUAKE = "Strong earthquake of magnitude 6.1 shakes the coast, people run into the streets"
CAT = "I love my cat so much today"
STOP_SECONDS = 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    with running_model(tmp_path_factory.mktemp("model") / "log", "--log-level", "debug") as process:
        yield process


@pytest.fixture
def runtime(model: ModelProcess, monkeypatch: pytest.MonkeyPatch) -> "SageMakerRuntimeClient":
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", model.url)
    return boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def classify(model: ModelProcess, inputs: Any, labels: Any, **parameters: Any) -> Any:
    body = {"inputs": inputs, "parameters": {"candidate_labels": labels, **parameters}}
    response = requests.post(f"{model.url}/invocations", json=body, timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def wait_for_log(model: ModelProcess, line: str) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while line not in model.log:
        assert time.monotonic() < deadline, model.log
        time.sleep(0.005)


def test_one_text_gives_one_object_with_labels_best_first(model: ModelProcess) -> None:
    result = classify(model, QUAKE, ["football", "earthquake", "cooking"])
    assert list(result) == ["sequence", "labels", "scores"]
    assert result["sequence"] == QUAKE
    assert result["labels"][0] == "earthquake"
    assert sorted(result["labels"]) == ["cooking", "earthquake", "football"]
    assert result["scores"] == sorted(result["scores"], reverse=True)
    assert sum(result["scores"]) == pytest.approx(1)


def test_a_list_gives_a_list_in_its_order(model: ModelProcess) -> None:
    texts = [CAT, QUAKE * 9, "", QUAKE]
    assert [result["sequence"] for result in classify(model, texts, ["earthquake", "cats"])] == texts


def test_with_multi_label_an_unrelated_post_scores_low_on_everything(model: ModelProcess) -> None:
    quake, cat = classify(model, [QUAKE, CAT], "earthquake, flood", multi_label=True)
    assert (quake["labels"][0], quake["scores"][0] > 0.7) == ("earthquake", True)
    assert max(cat["scores"]) < 0.3


def test_one_label_alone_is_not_certain(model: ModelProcess) -> None:
    assert classify(model, CAT, ["earthquake"])["scores"][0] < 0.3


def test_a_text_scores_alike_alone_and_among_others(model: ModelProcess) -> None:
    alone = classify(model, QUAKE, ["earthquake"], multi_label=True)
    among = classify(model, [CAT, QUAKE, CAT * 20], ["earthquake"], multi_label=True)[1]
    assert among["scores"] == pytest.approx(alone["scores"], abs=1e-4)


@pytest.mark.parametrize(
    "text",
    ["\ud800 cut emoji", "nul \x00 bell \x07 escape \x1b[31m", "\u202e right to left", " ", "a" * 500_000],
)
def test_odd_texts_are_classified(model: ModelProcess, text: str) -> None:
    assert len(classify(model, [text, QUAKE], ["earthquake", "flood"], multi_label=True)) == 2


def test_the_content_type_does_not_matter(model: ModelProcess) -> None:
    body = json.dumps({"inputs": CAT, "parameters": {"candidate_labels": "cats"}})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        headers = {"Content-Type": content_type}
        response = requests.post(f"{model.url}/invocations", data=body, headers=headers, timeout=60)
        assert response.status_code == 200


@pytest.mark.parametrize("body", ['{"inputs":', "{}", '{"inputs": "a post"}', '{"inputs": 1}'])
def test_a_mistake_is_400_with_one_line(model: ModelProcess, body: str) -> None:
    response = requests.post(f"{model.url}/invocations", data=body, timeout=60)
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert "\n" not in response.json()["error"]


def test_more_than_six_mebibytes_are_413(model: ModelProcess) -> None:
    response = requests.post(f"{model.url}/invocations", data=b" " * (6 * 1024 * 1024 + 1), timeout=60)
    assert (response.status_code, list(response.json())) == (413, ["error"])


def test_parallel_requests_get_each_their_own_answer(model: ModelProcess) -> None:
    texts = [f"{QUAKE} {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda text: classify(model, text, ["earthquake", "flood"]), texts))
    assert [result["sequence"] for result in results] == texts


def test_sagemakers_client_gets_its_answer(runtime: "SageMakerRuntimeClient") -> None:
    body = json.dumps({"inputs": [QUAKE], "parameters": {"candidate_labels": ["earthquake", "cats"]}})
    response = runtime.invoke_endpoint(EndpointName="zero-shot", ContentType="application/json", Body=body)
    assert response["ContentType"] == "application/json"
    assert json.loads(response["Body"].read())[0]["labels"][0] == "earthquake"


def test_sagemakers_client_sees_a_mistake(runtime: "SageMakerRuntimeClient") -> None:
    with pytest.raises(ClientError) as caught:
        runtime.invoke_endpoint(EndpointName="zero-shot", ContentType="application/json", Body="{}")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_no_text_is_logged_even_at_debug(model: ModelProcess) -> None:
    classify(model, "a secret about zebras", ["zebras"])
    assert "took a request of 1 texts and 1 labels" in model.log
    assert "zebras" not in model.log


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish_and_ends_with_code_0(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with running_model(tmp_path / "log", "--log-level", "debug") as model, ThreadPoolExecutor(1) as pool:
        texts = [f"{QUAKE} {number}" for number in range(300)]
        running = pool.submit(classify, model, texts, ["earthquake", "flood"])
        wait_for_log(model, "took a request of 300 texts")
        model.process.send_signal(stop_signal)
        assert len(running.result(STOP_SECONDS)) == 300
        assert model.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in model.log


def test_a_port_in_use_is_one_line_and_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_model_to_its_end(["--port", str(port), "--log-level", "error"], {})
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}: Address already in use" in ended.stderr


@pytest.mark.parametrize("variable", ["MODEL_FILE", "TOKENIZER_FILE"])
@pytest.mark.parametrize("foreign", [True, False], ids=["foreign", "missing"])
def test_a_wrong_file_is_one_line_and_code_2(tmp_path: Path, variable: str, foreign: bool) -> None:
    path = tmp_path / "file"
    if foreign:
        path.write_bytes(b"something else")
    ended = run_model_to_its_end([], {variable: str(path)})
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert variable in ended.stderr
    assert str(path) in ended.stderr


def test_a_wrong_setting_is_one_line_and_code_2() -> None:
    ended = run_model_to_its_end([], {"PORT": "http"})
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
