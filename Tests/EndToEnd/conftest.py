from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import World, seed_of_run  # noqa: E402


# Chosen here, before workers are started, so that all of them have the same one.
SEED = seed_of_run()


def pytest_report_header() -> str:
    return f"REDIVIS_SYNC_SEED={SEED}"


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(tmp_path, request.node.name)
    try:
        yield world
    finally:
        world.close()
