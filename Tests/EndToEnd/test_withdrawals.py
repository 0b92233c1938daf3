"""Uploads of ours that Redivis does not let go of (P-07)."""

from __future__ import annotations

import pytest
from harness import LEFT, World, scaled
from watching import BY_EVENTS, watching


@pytest.mark.parametrize("count", [10, scaled(40, 300)])
def test_an_upload_that_may_not_be_taken_off_holds_up_no_other_file(world: World, count: int) -> None:
    """P-07: the refusal of one delivery's own request concerns that delivery, which is parked with its reason."""
    world.open_sandbox("--fault", "post-uploads:1:import-failed=bad", "--fault", "delete-upload:*:403")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("bad.csv", b"bad\n")
        run.wait(lambda: len(world.record.requests("delete-upload")) > 0, 30, "it should be taken off")
        for number in range(count):
            world.write(f"good-{number}.csv", 100 + number)
        run.wait(
            lambda: sum(1 for one in agent.states().values() if one == "delivered") == count, 60 + count / 2,
            "all others are delivered")
        run.wait(lambda: agent.states()[b"bad.csv"] == "parked", 60, "it is parked")
    assert len(world.record.requests("delete-upload")) == 2
    refused = agent.list("--state", "parked")
    assert "403" in str(refused), refused


def test_a_retry_takes_it_off_first(world: World) -> None:
    """P-07: a parked delivery keeps its registration: `retry` withdraws that before anything is sent again."""
    world.open_sandbox("--fault", "post-uploads:1:import-failed=bad", "--fault", "delete-upload:1-2:400")
    agent = world.agent().map(world.folder)
    path = world.write("bad.csv", b"bad\n")
    agent.run_once(status=LEFT)
    assert agent.states() == {b"bad.csv": "parked"}
    agent.call("retry", str(path))
    agent.run_once(status=LEFT)
    agent.call("retry", str(path))
    agent.run_once(status=LEFT)
    assert len(world.record.requests("delete-upload")) == 3
    agent.call("retry", str(path))
    agent.run_once()
    world.judge(withdrawn=1)
