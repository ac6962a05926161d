"""Brings modules under the scheduler: their ``threading`` is the simulation's, and what they log goes nowhere."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType

import pytest

from pipeline import acceptance
from tests.properties.primitives import SimulatedThreading
from tests.properties.scheduler import Scheduler
from tests.support.recording_log import RecordingLog
from tests.support.strict_sqs import broker


@contextmanager
def on_stage(scheduler: Scheduler) -> Iterator[RecordingLog]:
    """Within it each module of ``pipeline`` that is imported waits by the scheduler. Gives what they log."""
    log = RecordingLog()
    all_settled = acceptance.all_settled
    with pytest.MonkeyPatch.context() as patch:
        for module in _pipeline():
            if vars(module).get("threading") is threading:
                patch.setattr(module, "threading", SimulatedThreading(scheduler))
            if "log" in vars(module):
                patch.setattr(module, "log", log)
            if vars(module).get("all_settled") is all_settled:
                # its callers leave the clock to its default, which is the machine's
                patch.setattr(module, "all_settled", partial(all_settled, clock=scheduler))
        # the stand-in's polls wait by the scheduler too; nobody is interrupted within it
        patch.setattr(broker, "threading", SimulatedThreading(scheduler, interrupts=False))
        yield log


def _pipeline() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith("pipeline.") and module]
