"""A delivered file that changes waits for a person; a person's word is carried out."""

from __future__ import annotations

import os

import pytest
from harness import DONE, LEFT, MIB, Agent, World, wait_until


@pytest.fixture
def changed(world: World) -> Agent:
    path = world.write("a.csv", b"one\n")
    world.write("b.csv", b"b\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.arrived = world.expect()
    path.write_bytes(b"two\n")
    return agent


def test_a_changed_file_is_held(world: World, changed: Agent) -> None:
    with world.nothing_sent():
        result = changed.run_once(status=LEFT)
    assert "a.csv" in result.errors
    assert "resolve" in result.errors
    assert changed.states() == {b"a.csv": "held", b"b.csv": "delivered"}
    assert [entry["path"] for entry in changed.list("--state", "held")] == ["a.csv"]


def test_resolve_add_sends_it_as_a_second_upload(world: World, changed: Agent) -> None:
    changed.run_once(status=LEFT)
    changed.call("resolve", str(world.folder / "a.csv"), "--add")
    changed.run_once()
    now = [one for one in world.expect() if one.paths[0] == b"a.csv"]
    world.judge(world.arrived + now)


def test_resolve_ignore_leaves_it(world: World, changed: Agent) -> None:
    changed.run_once(status=LEFT)
    changed.call("resolve", str(world.folder / "a.csv"), "--ignore")
    with world.nothing_sent():
        changed.run_once()
    assert changed.states()[b"a.csv"] == "ignored"


def test_on_change_ignore(world: World, changed: Agent) -> None:
    changed.map(world.folder, on_change="ignore")
    with world.nothing_sent():
        changed.run_once()
    assert changed.states()[b"a.csv"] == "ignored"


def test_content_that_returns_is_delivered_as_before(world: World, changed: Agent) -> None:
    changed.run_once(status=LEFT)
    (world.folder / "a.csv").write_bytes(b"one\n")
    with world.nothing_sent():
        changed.run_once()
    assert sorted(entry["state"] for entry in changed.list()) == ["delivered", "delivered", "superseded"]
    world.judge()


def test_forget_and_retry(world: World) -> None:
    world.write("a.csv", b"one\n")
    world.write("b.csv", b"two\n")
    # Known, and not sent yet: the table's answer is a refusal at first.
    world.open_sandbox("--fault", "post-uploads:1-2:import-failed=No variables found")
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    assert set(agent.states().values()) == {"parked"}
    agent.call("forget", str(world.folder / "a.csv"))
    agent.call("retry", "--all")
    agent.run_once(status=None)
    wanted = [one for one in world.expect() if one.paths[0] == b"b.csv"]
    world.judge(wanted, withdrawn=2)
    assert agent.states()[b"a.csv"] == "ignored"
    agent.call("retry", str(world.folder / "a.csv"))
    agent.run_once()
    world.judge(withdrawn=2)


def test_retry_never_touches_held_files(world: World, changed: Agent) -> None:
    changed.run_once(status=LEFT)
    changed.call("retry", "--all", status=(DONE, LEFT))
    with world.nothing_sent():
        changed.run_once(status=LEFT)
    assert changed.states()[b"a.csv"] == "held"


def test_a_change_before_delivery_supersedes(world: World) -> None:
    path = world.write("a.csv", b"one\n")
    world.open_sandbox("--fault", "post-uploads:1:import-failed=No variables found")
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    path.write_bytes(b"two\n")
    agent.run_once()
    world.judge(withdrawn=1)
    assert sorted(entry["state"] for entry in agent.list()) == ["delivered", "superseded"]


def test_changed_while_the_chunks_go_out(world: World) -> None:
    """Rewritten in place between two chunks, by the agent's side alive: one whole content, never a mixture."""
    world.open_sandbox("--fault", "put-chunk:*:wait=120")
    path = world.write("a.bin", 8 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(0)
        file.write(world.generator.randbytes(8 * MIB))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    out, err = process.communicate(timeout=90)
    assert process.returncode == DONE, (out, err)
    world.judge()
