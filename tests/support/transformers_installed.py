"""Tests that need torch and transformers: skipped where they are not, and a failure there if REQUIRE_TRANSFORMERS=1."""

import importlib.util
import os

import pytest


def require_transformers() -> None:
    """Goes on only if both packages are installed. For the top of a module, before it imports them."""
    missing = [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]
    if not missing:
        return
    reason = f"{' and '.join(missing)} not installed: make transformers"
    if os.environ.get("REQUIRE_TRANSFORMERS") == "1":
        pytest.fail(f"REQUIRE_TRANSFORMERS=1, and {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
