"""One service's way to AWS: a reverse proxy that notes what the service calls, and enforces what its policy allows.

It stands between boto3 (AWS_ENDPOINT_URL_SQS and so on) and the emulator or the model. A request that the policy allows
is handed on as it is, and so is its answer; any other is answered as AWS would.
"""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.aws_answers import AwsAnswer, denied
from tests.support.aws_calls import AwsCall, AwsRequest, UnknownOperation, understood
from tests.support.iam_policies import Right

#: Seconds for an answer from behind: a long poll takes 5.
_FORWARD_SECONDS = 60.0
#: Headers that belong to one connection, not to the message (RFC 9110, section 7.6.1); the length is written anew.
_OF_THE_CONNECTION = {"connection", "keep-alive", "te", "transfer-encoding", "upgrade", "content-length"}

#: Looks at a call that the policy allows; gives an answer in AWS's stead, or None to hand the call on.
Interference = Callable[[AwsCall], AwsAnswer | None]


class AwsCallRecorder:
    """Listens on 127.0.0.1 while its context is open.

    ``upstreams`` are URLs by API (sqs, sns, s3, sagemaker); ``rights`` what ``service`` may do; ``account`` owns all
    resources.
    """

    def __init__(self, service: str, rights: frozenset[Right], upstreams: Mapping[str, str], account: str) -> None:
        self.service = service
        self._rights = rights
        self._upstreams = upstreams
        self._account = account
        self._lock = threading.Lock()
        self._calls: list[AwsCall] = []
        self._refused: list[str] = []
        self._interferences: list[Interference] = []
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        # the poll is how long shutdown() may take
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, name=f"recorder of {self.service}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, mistake: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads boto3 here, for every API."""
        return {f"AWS_ENDPOINT_URL_{name}": self.url for name in ("SQS", "SNS", "S3", "SAGEMAKER_RUNTIME")}

    @property
    def recorded(self) -> frozenset[Right]:
        """What has been called so far, allowed or not."""
        with self._lock:
            return frozenset(Right(self.service, call.action, call.resource) for call in self._calls)

    @property
    def refused(self) -> list[str]:
        """A line for each request that was refused: the right that was missing, or the operation that nobody knows."""
        with self._lock:
            return list(self._refused)

    def saw(self, action: str, resource: str, *contents: bytes) -> bool:
        """Whether a call of that action on that resource has come whose body has all the contents."""
        with self._lock:
            return any(
                (call.action, call.resource) == (action, resource) and all(each in call.body for each in contents)
                for call in self._calls
            )

    @contextmanager
    def interfering(self, interference: Interference) -> Iterator[None]:
        """While the context is open, calls that the policy allows meet this before AWS; they are noted all the same."""
        with self._lock:
            self._interferences.append(interference)
        try:
            yield
        finally:
            with self._lock:
                self._interferences.remove(interference)

    def answer(self, request: AwsRequest) -> AwsAnswer:
        """Notes a request and answers it. Raises OSError where what lies behind cannot be reached."""
        try:
            call = understood(request, self._account)
        except UnknownOperation as unknown:
            self._refuse(f"{self.service}: {unknown}: expected an operation that ACTIONS has")
            return AwsAnswer(501, {"Content-Type": "text/plain"}, str(unknown).encode())
        with self._lock:
            self._calls.append(call)
            interferences = list(self._interferences)
        right = Right(self.service, call.action, call.resource)
        if right not in self._rights:
            return self._denied(call, right)
        for interfere in interferences:
            if (instead := interfere(call)) is not None:
                return instead
        answer = self._forwarded(request, self._upstreams[call.api])
        return self._without_list_bucket(call, answer)

    def _without_list_bucket(self, call: AwsCall, answer: AwsAnswer) -> AwsAnswer:
        """S3 tells that a key is not there only to those who may list its bucket (S3 API Reference: GetObject)."""
        if call.action == "s3:GetObject" and answer.status == 404 and b"<Code>NoSuchKey</Code>" in answer.body:
            listing = Right(self.service, "s3:ListBucket", call.resource.partition("/")[0])
            if listing not in self._rights:
                return self._denied(call, listing)
        return answer

    def _denied(self, call: AwsCall, right: Right) -> AwsAnswer:
        self._refuse(f"{right}: its policy does not allow that")
        return denied(call, right)

    def _refuse(self, line: str) -> None:
        with self._lock:
            self._refused.append(line)

    def _forwarded(self, request: AwsRequest, upstream: str) -> AwsAnswer:
        connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=_FORWARD_SECONDS)
        try:
            # the host of the request too: it is among what was signed
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in _of_the_message(request.headers).items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            response = connection.getresponse()
            return AwsAnswer(response.status, _of_the_message(dict(response.getheaders())), response.read())
        finally:
            connection.close()


def _of_the_message(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(self, recorder: AwsCallRecorder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.recorder = recorder


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = AwsRequest(self.command, self.path, dict(self.headers.items()), body)
        self._write(self.server.recorder.answer(request))

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names that the base class looks for

    def _write(self, answer: AwsAnswer) -> None:
        try:
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
        except ConnectionError:
            # a service that has ended does not wait for its last long poll
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class uses
        """Calls are noted, not logged."""
