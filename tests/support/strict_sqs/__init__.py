"""A strict stand-in for Amazon SQS with a clock: the hard edges that emulators leave out, and faults on demand.

StrictSqs is the door. Its rules are those of the Amazon SQS API Reference and the Amazon SQS Developer Guide, and where
these leave a choice, the one that is harder for clients. Only what a client cannot rely on is not modelled: counts of
messages are exact, attributes take effect at once, queues and purges take no time to go.

From the inside out: ``queue`` and ``broker`` (messages and clock), ``*_rules`` and ``*_operations`` (requests),
``service`` with ``fault_plan`` (faults), ``client`` and ``http_front`` (callers), ``ledger`` (accounts).
"""

from tests.support.strict_sqs.broker import LongPolls
from tests.support.strict_sqs.clock import RealClock, VirtualClock
from tests.support.strict_sqs.fault_plan import FaultPlan, FaultRates
from tests.support.strict_sqs.ledger import Entry, Ledger, What
from tests.support.strict_sqs.limits import Limits
from tests.support.strict_sqs.receipts import ExpiredReceipts
from tests.support.strict_sqs.stand_in import StrictSqs

__all__ = [
    "Entry",
    "ExpiredReceipts",
    "FaultPlan",
    "FaultRates",
    "Ledger",
    "Limits",
    "LongPolls",
    "RealClock",
    "StrictSqs",
    "VirtualClock",
    "What",
]
