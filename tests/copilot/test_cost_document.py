"""docs/cost.md: the figures are what the formulas give, and what the code decides is not told otherwise."""

import ast
import inspect
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import classifier.bootstrap
import classifier.settings
import notifier.bootstrap
from deployment.copilot_package import PackagedWorkspace
from pipeline.alerts_config import parse_alerts_config
from pipeline.queue_depth import PERIOD
from pipeline.queue_reader import POLL_SECONDS
from tests.support.cloudformation import resources
from tests.support.copilot_templates import packaged_addons, packaged_environment, packaged_service
from tests.support.markdown import tables

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "cost.md"
#: Half of the last figure that is told, and what floats add to it.
ROUNDING = 0.005 + 1e-9
IN_ALL = "in all"

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def value_of(formula: str, symbols: Mapping[str, float]) -> float:
    """Raises KeyError for a symbol that no table has, and ValueError for what is no arithmetic."""

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Name):
            return symbols[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        raise ValueError(f"expected arithmetic, found {ast.unparse(node)}")

    return value(ast.parse(formula, mode="eval").body)


def read_symbols() -> dict[str, float]:
    symbols: dict[str, float] = {}
    for head, rows in tables(DOCUMENT):
        if head[0] in ("price", "quantity"):
            for names, values, _ in rows:
                told = [text.strip().strip("`") for text in values.split(", ")]
                for name, text in zip(names.split(", "), told, strict=True):
                    symbols[name.strip("`")] = value_of(text, symbols)
    return symbols


SYMBOLS = read_symbols()
SUMS = {head[0]: rows for head, rows in tables(DOCUMENT) if head[1:] == ["formula", "USD"]}


def lines() -> Iterator[Any]:
    for title, rows in SUMS.items():
        for what, formula, told in rows:
            yield pytest.param(title, formula.strip("`"), float(told.replace(",", "")), id=f"{title}: {what}")


def total_of(title: str) -> float:
    return sum(value_of(formula.strip("`"), SYMBOLS) for what, formula, _ in SUMS[title] if what != IN_ALL)


@pytest.mark.parametrize(("title", "formula", "told"), list(lines()))
def test_a_figure_is_what_its_formula_gives(title: str, formula: str, told: float) -> None:
    assert abs((total_of(title) if formula == "sum" else value_of(formula, SYMBOLS)) - told) <= ROUNDING


def test_both_sums_are_told() -> None:
    assert [title for title, rows in SUMS.items() if rows[-1][0] == IN_ALL] == ["an idle month", "a million posts"]


def test_each_symbol_is_used() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in SYMBOLS if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_other_documents_tell_the_same_figures() -> None:
    figures = {row[-1] for rows in SUMS.values() for row in rows}
    ((_, rows),) = [table for table in tables(DOCUMENT.parent / "deploy.md") if table[0][-1] == "USD"]
    assert {told for _, told in rows} <= figures
    assert len(rows) == 4


def tasks(packaged: PackagedWorkspace) -> list[Mapping[str, Any]]:
    """The one task definition of each service in test."""
    return [
        packaged_service(packaged, "test", service)["Resources"]["TaskDefinition"]["Properties"]
        for service in packaged.environments["test"].services
    ]


def test_tasks_gateways_and_instances_are_those_that_are_deployed(packaged: PackagedWorkspace) -> None:
    assert SYMBOLS["vcpu"] == sum(int(task["Cpu"]) for task in tasks(packaged)) / 1024
    assert SYMBOLS["memory"] == sum(int(task["Memory"]) for task in tasks(packaged)) / 1024
    environment = packaged.environments["test"]
    assert SYMBOLS["gateways"] == len(resources(packaged_environment(environment), "AWS::EC2::NatGateway"))
    (configuration,) = resources(packaged_addons(environment), "AWS::SageMaker::EndpointConfig").values()
    (variant,) = configuration["ProductionVariants"]
    assert SYMBOLS["instances"] == variant["InitialInstanceCount"]
    assert f"an hour of {variant['InstanceType']} for inference" in DOCUMENT.read_text(encoding="utf-8")


def test_alarms_are_those_of_the_templates_and_of_scaling(packaged: PackagedWorkspace) -> None:
    environment = packaged.environments["test"]
    stacks = [packaged_addons(environment)]
    stacks += [packaged_service(packaged, "test", service) for service in environment.services]
    alarms = sum(len(resources(stack, "AWS::CloudWatch::Alarm")) for stack in stacks)
    policies = [policy for stack in stacks for policy in resources(stack, "AWS::ApplicationAutoScaling::ScalingPolicy")]
    assert len(policies) == 2
    # each policy has an alarm above and one below; classifier's look at two metrics
    assert SYMBOLS["alarms"] == alarms + 2 * 2
    assert SYMBOLS["fast_alarms"] == 2


def test_polls_are_those_of_the_code() -> None:
    # a reader has one thread that receives, however many work on what it brings
    sources = [inspect.getsource(module) for module in (classifier.bootstrap, notifier.bootstrap)]
    readers = [len(re.findall(r" = (?:QueueReader|reader)\(", source)) for source in sources]
    assert SYMBOLS["pollers"] == sum(readers), readers
    assert (SYMBOLS["poll"], SYMBOLS["look"]) == (POLL_SECONDS, PERIOD)


def test_looked_at_is_the_depth_of_so_many_queues() -> None:
    sources = [inspect.getsource(module) for module in (classifier.bootstrap, notifier.bootstrap)]
    assert SYMBOLS["queues"] == sum(
        len(re.findall(r'"[a-z-]+": settings\.\w+_queue_url', source)) for source in sources
    )


def test_channels_are_those_of_the_configuration() -> None:
    config = parse_alerts_config((REPOSITORY / "config" / "alerts.yaml").read_text(), "config/alerts.yaml")
    assert {len(route.channels) for route in config.routes} == {SYMBOLS["channels"]}
