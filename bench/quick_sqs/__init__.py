"""A small server of Amazon SQS for benchmarks: quick, and with books that do not grow with what went through them."""

from bench.quick_sqs.process import QuickSqs

__all__ = ["QuickSqs"]
