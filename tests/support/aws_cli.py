"""What the AWS CLI would accept, as botocore's models of the services tell; nothing is called."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

#: AWS CLI Command Reference, "Global options", as far as documents here use them, and what it adds to lists by pages.
_EVERYWHERE = {"--query", "--output", "--region", "--profile"}
_BY_PAGES = {"--max-items", "--page-size", "--starting-token"}
#: The CLI's own names: commands that are no operation, with options that must be there and those that may.
_OWN_COMMANDS: Mapping[tuple[str, str], tuple[set[str], set[str]]] = {
    ("cloudformation", "package"): ({"--template-file", "--s3-bucket"}, {"--output-template-file"}),
    ("cloudformation", "deploy"): (
        {"--template-file", "--stack-name"},
        {"--parameter-overrides", "--tags", "--capabilities", "--no-fail-on-empty-changeset"},
    ),
    ("ecr", "get-login-password"): (set(), set()),
    ("s3", "mb"): (set(), set()),
    ("s3", "rb"): (set(), {"--force"}),
}
_SERVICES = {"s3api": "s3"}
_RENAMED = {("sns", "subscribe", "--endpoint"): "--notification-endpoint"}


class NotAccepted(Exception):
    """The command would be refused before AWS is asked. The message says why."""


def check_aws_command(words: Sequence[str]) -> None:
    """Raises NotAccepted for ``words`` that begin with "aws"."""
    options = dict(_options(words[1:]))
    positional = options.pop("", [])
    if len(positional) < 2:
        raise NotAccepted(f"expected a service and an operation, found {' '.join(words)}")
    service, operation, *rest = positional
    _check_query(options)
    if (service, operation) in _OWN_COMMANDS:
        required, optional = _OWN_COMMANDS[service, operation]
        _check_names(options, required, required | optional | _EVERYWHERE)
        return
    model = _model(service)
    if operation == "wait":
        _check_against(service, model, _waited_for(model, *rest), options)
    elif rest:
        raise NotAccepted(f"expected options alone after {operation}, found {' '.join(rest)}")
    else:
        _check_against(service, model, operation, options)


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Option and values; those before the first option under an empty name."""
    name = ""
    values: list[str] = []
    for word in words:
        if word.startswith("--"):
            yield name, values
            name, values = word, []
        else:
            values.append(word)
    yield name, values


def _model(service: str) -> ServiceModel:
    try:
        return botocore.session.Session().get_service_model(_SERVICES.get(service, service))
    except UnknownServiceError as error:
        raise NotAccepted(f"expected a service of AWS, found {service}") from error


def _waited_for(model: ServiceModel, *words: str) -> str:
    waiters = botocore.session.Session().get_waiter_model(model.service_name)
    names = {xform_name(name, "-"): name for name in waiters.waiter_names}
    if len(words) != 1 or words[0] not in names:
        raise NotAccepted(f"expected something to wait for of {model.service_name}, found {' '.join(words)}")
    return xform_name(waiters.get_waiter(names[words[0]]).operation, "-")


def _check_against(service: str, model: ServiceModel, operation: str, options: Mapping[str, list[str]]) -> None:
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        raise NotAccepted(f"expected an operation of {service}, found {operation}")
    shape = model.operation_model(names[operation]).input_shape or StructureShape("Nothing", {"members": {}})
    members = {_option_name(service, operation, name): member for name, member in shape.members.items()}
    required = {_option_name(service, operation, name) for name in shape.required_members}
    switches = {name.replace("--", "--no-", 1) for name, member in members.items() if member.type_name == "boolean"}
    _check_names(options, required, members.keys() | switches | _EVERYWHERE | _BY_PAGES)
    for name, values in options.items():
        if name in members:
            _check_values(name, members[name], values)


def _option_name(service: str, operation: str, member: str) -> str:
    name = f"--{xform_name(member, '-')}"
    return _RENAMED.get((service, operation, name), name)


def _check_names(options: Mapping[str, list[str]], required: set[str], known: set[str]) -> None:
    if unknown := options.keys() - known:
        raise NotAccepted(f"expected options that there are, found {', '.join(sorted(unknown))}")
    if missing := required - options.keys():
        raise NotAccepted(f"expected {', '.join(sorted(missing))} too")


def _check_values(name: str, shape: Shape, values: list[str]) -> None:
    if shape.type_name == "boolean":
        if values:
            raise NotAccepted(f"{name}: expected no value, found {' '.join(values)}")
    elif not values or (len(values) > 1 and shape.type_name != "list"):
        raise NotAccepted(f"{name}: expected {'values' if shape.type_name == 'list' else 'one value'}, found {values}")
    elif values[0].startswith(("{", "[")):
        _check_document(name, shape, values[0])


def _check_document(name: str, shape: Shape, value: str) -> None:
    try:
        document: Any = json.loads(value)
    except ValueError as error:
        raise NotAccepted(f"{name}: expected JSON, found {value}: {error}") from error
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        raise NotAccepted(f"{name}: {report.generate_report()}")


def _check_query(options: Mapping[str, list[str]]) -> None:
    for query in options.get("--query", []):
        try:
            jmespath.compile(query)
        except jmespath.exceptions.ParseError as error:
            raise NotAccepted(f"--query: expected a query of JMESPath, found {query}: {error}") from error
