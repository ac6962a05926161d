"""What the real model was asked, by its own metrics."""

import requests
from prometheus_client.parser import text_string_to_metric_families

from bench.classifier.stub_endpoint import Books
from bench.pipeline.comparison import NotDone

_REQUESTS, _TEXTS = "model_requests_total", "model_texts_total"
_SECONDS = 10.0


class ModelBooks:
    """Called, it tells what was asked since it was called last: all requests, whatever came of them."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/metrics"
        self._before = Books()

    def __call__(self) -> Books:
        """Raises NotDone where the model does not say."""
        try:
            answer = requests.get(self._url, timeout=_SECONDS, proxies={"http": ""})
        except requests.RequestException as error:
            raise NotDone(f"{self._url}: expected the model's metrics, got: {error}") from error
        if answer.status_code != 200:
            raise NotDone(f"{self._url}: expected status 200, got {answer.status_code}")
        now = Books()
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                if sample.name == _REQUESTS:
                    now.calls += int(sample.value)
                elif sample.name == _TEXTS:
                    now.texts += int(sample.value)
        since = Books(now.calls - self._before.calls, now.texts - self._before.texts)
        self._before = now
        return since
