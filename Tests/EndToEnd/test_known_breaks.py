"""Breaks of the contract that a review found: each test states what must hold.

P-01 to P-23 number the breaks; docs/testing.md says where each is tested. A break that is known and not fixed yet gets a
strict xfail mark. Breaks that need many rows are in test_known_breaks_at_scale.py.
"""

from __future__ import annotations

import pytest
from harness import World
from known_breaks import PromiseBroken, must_hold
from test_disk import another_user
from watching import BY_EVENTS, watching


# P-16: the first scan


def test_new_files_are_delivered_though_many_folders_cannot_be_read(world: World) -> None:
    """P-16: the list of unreadable places is cut at 100 entries, and `existing` is closed only if the list is complete."""
    closed = [world.folder / f"closed-{number}" for number in range(101)]
    for folder in closed:
        folder.mkdir()
        folder.chmod(0)
    world.write("before.csv", b"before\n")
    agent = world.agent(**BY_EVENTS).map(world.folder, existing="skip")
    try:
        with another_user(world, agent), watching(agent) as run:
            world.write("after.csv", b"after\n")
            run.wait(
                lambda: agent.states().get(b"after.csv") in ("delivered", "ignored"), 30, "the new file has an outcome")
            found = agent.states()
            assert found[b"before.csv"] == "ignored"
            must_hold(found[b"after.csv"] == "delivered", f"a file that came after the first scan is {found[b'after.csv']}")
            world.judge([one for one in world.expect() if one.paths[0] == b"after.csv"])
    finally:
        for folder in closed:
            folder.chmod(0o755)
