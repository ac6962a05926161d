"""Benchmarks: programs that measure and print; nothing of the product imports them."""
