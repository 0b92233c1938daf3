from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import World, seed_of_run  # noqa: E402


def pytest_report_header() -> str:
    return f"REDIVIS_SYNC_SEED={seed_of_run()}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()
