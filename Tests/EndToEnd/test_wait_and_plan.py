"""What `wait` waits for, and what `plan` foretells."""

from __future__ import annotations

import time

from harness import DONE, INVALID, LEFT, MIB, USAGE, Agent, World, path_of, wait_until
from test_documents import hold
from test_status import running, states, status


# Waiting


def test_wait_returns_when_all_that_was_there_is_delivered(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    agent = world.agent(rescan="off").map(world.folder, settle="1s")
    with running(agent):
        world.write("early.csv", 1000)
        world.write("large.bin", 5 * MIB)
        agent.call("wait", seconds=60)
        world.judge()
        assert states(agent) == {"delivered": 2}
        # Nothing is left to wait for.
        agent.call("wait", "--mapping", "weather")


def test_wait_does_not_wait_for_what_comes_later(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=200")
    agent = world.agent().map(world.folder)
    with running(agent):
        world.write("first.csv", b"1\n")
        wait_until(lambda: states(agent) == {"delivered": 1}, 20)
        begun = time.monotonic()
        process = agent.start("wait")
        result = agent.finish(process, begun, 30)
        world.write("later.bin", 8 * MIB)
        assert result.status == DONE and result.seconds < 15, result


def test_wait_sees_files_that_no_event_tells_of(world: World) -> None:
    """Polled once a minute: only the scan that `wait` asks for finds the file at once."""
    agent = world.agent(rescan="off").map(world.folder, watch="poll", poll="10m")
    with running(agent):
        wait_until(lambda: status(agent)["mappings"][0].get("last_scan_at") is not None, 20)
        world.write("unseen.csv", b"u\n")
        agent.call("wait", seconds=60)
        world.judge()


def test_wait_lists_what_is_not_delivered(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:1:import-failed=No variables found")
    agent = world.agent().map(world.folder).map(world.root / "missing", "demo_org.operations.logs", "logs")
    with running(agent):
        world.write("parked.csv", b"x\n")
        world.write("fine.csv", 100)
        result = agent.call("wait", status=LEFT, seconds=60)
        assert "parked: weather: " in result.errors and "No variables found" in result.errors
        assert "logs: " in result.errors and "cannot list the folder" in result.errors
        agent.call("wait", "--mapping", "weather", status=LEFT)
        agent.call("pause", "weather")
        world.write("waits.csv", 200)
        result = agent.call("wait", "--mapping", "weather", status=LEFT, seconds=60)
        assert "paused: weather: 1 file not sent; redivis-sync resume weather" in result.errors


def test_wait_ends_with_its_time_and_with_the_agent(world: World) -> None:
    agent = world.agent().map(world.folder, settle="10m")
    with running(agent) as process:
        world.write("restless.csv", b"r\n")
        begun = time.monotonic()
        result = agent.call("wait", "--timeout", "1500ms", status=LEFT)
        assert time.monotonic() - begun < 10
        assert "the time is over" in result.errors and "weather: 1 settling" in result.errors
        waiting = agent.start("wait")
        # It has had its scan long before that.
        time.sleep(2)
        process.terminate()
        process.wait(20)
        result = agent.finish(waiting, begun, 20)
        assert result.status == LEFT
        assert "the agent has ended before everything was delivered" in result.errors


def test_wait_without_an_agent(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.call("wait")
    world.write("a.csv", b"a\n")
    result = agent.call("wait", status=LEFT)
    assert "no agent runs; start it with: redivis-sync run" in result.errors
    assert "weather: 1 file not delivered" in result.errors
    agent.run_once()
    agent.call("wait")
    agent.call("wait", "--mapping", "nonsense", status=USAGE)
    agent.call("wait", "--timeout", "soon", status=USAGE)


# Planning


def plan(agent: Agent, code: int = DONE) -> dict:
    document = agent.call("plan", "--json", status=code).json()
    hold("plan", document)
    assert isinstance(document, dict)
    return document


def test_plan_tells_what_would_be_uploaded_and_changes_nothing(world: World) -> None:
    agent = world.agent().map(world.folder, exclude=["raw/**"])
    world.write("a.csv", 1000)
    world.write(b"caf\xe9.csv", 500)
    world.write("raw/left-out.csv", 9000)
    before = plan(agent)
    assert not agent.state.exists()
    (mapping,) = before["mappings"]
    assert mapping["new"] == {"files": 2, "bytes": 1500} == mapping["upload"] and mapping["existing"] == "auto"
    assert (before["files"], before["bytes"], before["tables"], before["edits"]) == (2, 1500, 1, [])
    assert {path_of(one) for one in mapping["examples"]} == {b"a.csv", b"caf\xe9.csv"}
    agent.run_once()
    world.write("b.csv", 700)
    changed = world.write("a.csv", 1100)
    (mapping,) = plan(agent)["mappings"]
    assert mapping["new"] == {"files": 1, "bytes": 700} == mapping["upload"]
    assert mapping["changed"] == {"files": 1, "bytes": 1100} and "existing" not in mapping
    with world.nothing_sent():
        text = agent.call("plan").text
    assert "to upload    1 file, 700 B, to 1 table" in text and "on_change: hold" in text
    agent.run_once(status=LEFT)
    (mapping,) = plan(agent)["mappings"]
    assert mapping["held"] == 1 and mapping["upload"]["files"] == 0 and mapping["changed"]["files"] == 0
    agent.call("resolve", str(changed), "--add")
    (mapping,) = plan(agent)["mappings"]
    assert mapping["queued"] == {"files": 1, "bytes": 1100} == mapping["upload"]


def test_plan_tells_how_long_it_may_take(world: World) -> None:
    agent = world.agent().map(world.folder)
    for number in range(5):
        world.write(f"{number}.csv", 1000)
    agent.run_once()
    world.write("more.csv", 1000)
    told = plan(agent)
    assert 0 < told["expected_seconds"] < 60
    assert "at the pace of the last day" in agent.call("plan").text


def test_plan_tells_what_an_edit_changes(world: World) -> None:
    other = world.root / "other"
    other.mkdir()
    agent = world.agent().map(world.folder).map(other, "demo_org.operations.logs", "logs")
    agent.run_once()
    assert plan(agent)["edits"] == []
    del agent.mappings["logs"]
    agent.mappings["weather"] |= {"table": "demo_org.weather_stations.hourly", "exclude": ["raw/**"]}
    agent.map(other, "demo_org.operations.logs", "new")
    assert plan(agent)["edits"] == [
        {
            "mapping": "weather", "kind": "changed",
            "changes": [
                {
                    "key": "table", "from": "demo_org.weather_stations.readings",
                    "to": "demo_org.weather_stations.hourly",
                },
                {"key": "exclude"},
            ],
        },
        {"mapping": "new", "kind": "added", "changes": []},
        {"mapping": "logs", "kind": "removed", "changes": []},
    ]
    text = agent.call("plan").text
    assert "+ new is new" in text and "- logs is no longer there" in text


def test_plan_of_a_folder_that_is_not_there_and_of_a_broken_file(world: World) -> None:
    agent = world.agent().map(world.root / "missing")
    assert "cannot list the folder" in agent.call("plan", status=LEFT).errors
    assert plan(agent, LEFT)["mappings"][0]["problems"]
    agent.settings["uploads"] = "many"
    agent.call("plan", status=INVALID)


def test_nothing_waits_to_be_accepted(world: World) -> None:
    agent = world.agent().map(world.folder)
    assert "no agent runs" in agent.call("plan", "--accept", status=LEFT).errors
    with running(agent):
        assert "no edit of the mapping file waits" in agent.call("plan", "--accept", status=LEFT).errors
