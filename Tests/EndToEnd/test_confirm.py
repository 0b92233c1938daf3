"""`confirm_above`: an edit that would send many files waits for a person; the mapping file before it stays in force."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from harness import DONE, LEFT, TABLE, USAGE, Agent, Result, World, kill, plain_environment, wait_until
from mapping_edits import IN_FORCE, OTHER, SLACK, by_rename, folder_of, table_in_force, text_of, until_in_force
from test_documents import hold
from test_status import status
from watching import BY_EVENTS, Watching, settle_and_judge, until_arrived, watching

LIMIT = 5
NOT_WAITING = "no edit of the mapping file waits to be accepted"


def typed(agent: Agent, *arguments: str, code: int = DONE) -> Result:
    """A command as a person types it: the mapping file stays as it is."""
    begun = time.monotonic()
    process = subprocess.Popen(
        agent.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=plain_environment(agent.home),
    )
    result = agent.finish(process, begun, 30)
    assert result.status == code, result
    return result


def edit_of(run: Watching) -> dict:
    return run.status()["mappingFile"].get("edit") or {}


def until_waiting(run: Watching, files: int) -> str:
    """Until an edit that would send so many files waits; its name."""

    def waits() -> bool:
        edit = edit_of(run)
        return bool(edit) and edit["waits"] and edit["isCounted"] and edit["files"] == files

    run.wait(waits, 10, f"an edit of {files} files waits")
    return edit_of(run)["name"]


def many(place: Path, count: int) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        # Named after its folder: one name and content on one table is one upload, whichever mapping it comes from.
        (place / f"{place.name}-{number}.csv").write_bytes(b"%d\n" % number)
    return place


def put(agent: Agent) -> None:
    by_rename(agent.mapping_file, text_of(agent))


def test_an_edit_that_would_send_many_files_waits_and_is_accepted(world: World) -> None:
    more = many(world.root / "more", 20)
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run)
        agent.map(world.folder, OTHER)
        agent.map(more, OTHER, "more")
        put(agent)
        name = until_waiting(run, 20)
        # Wholly the old one, also in what the edit says of other mappings.
        assert table_in_force(run) == TABLE and len(run.status()["mappings"]) == 1
        assert run.said().count("waits to be accepted") == 1 and name in run.said()
        told = status(agent)
        edit = told["mapping_file"]["edit"]
        assert edit["waits"] and edit["is_counted"] and (edit["files"], edit["limit"]) == (20, LIMIT)
        (problem,) = [one for one in told["problems"] if one["kind"] == "mapping_file"]
        assert "20 files" in problem["text"] and f"plan --accept {name}" in problem["remedy"]
        assert f"plan --accept {name}" in typed(agent, "status", code=LEFT).text
        plan = typed(agent, "plan", "--json").json()
        hold("plan", plan)
        confirmation = plan["confirmation"]
        assert confirmation["is_needed"] and confirmation["files"] == 20 and confirmation["edit"] == name
        assert f"It waits for: redivis-sync plan --accept {name}" in " ".join(typed(agent, "plan").text.split())
        world.write("b.csv", b"under the old one\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        assert "accepted, and in force" in typed(agent, "plan", "--accept", name).text
        assert table_in_force(run) == OTHER
        assert not edit_of(run) and not run.status()["mappingFile"]["problems"]
        settle_and_judge(world, run, arrived + world.expect(more, OTHER))
        assert NOT_WAITING in typed(agent, "plan", "--accept", code=LEFT).errors
        assert status(agent)["problems"] == []


def test_edits_that_send_no_more_than_the_limit_do_not_wait(world: World) -> None:
    few = many(world.root / "few", LIMIT)
    many(world.folder, 30)
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        arrived = world.expect()
        agent.map(few, OTHER, "few")
        put(agent)
        run.wait(lambda: len(run.status()["mappings"]) == 2, IN_FORCE + SLACK, "the new mapping is in force")
        arrived += world.expect(few, OTHER)
        settle_and_judge(world, run, arrived)
        # A folder moved away and its mapping with it: the same versions.
        elsewhere, third = world.root / "elsewhere", world.root / "third"
        shutil.copytree(world.folder, elsewhere)
        agent.map(elsewhere)
        put(agent)
        run.wait(lambda: folder_of(run.mapping()) == str(elsewhere).encode(), 5, "the other folder is in force")
        settle_and_judge(world, run, arrived)
        # Many files, and none of them new: another table takes only what comes from now on.
        agent.map(elsewhere, OTHER)
        put(agent)
        assert until_in_force(run, OTHER) <= IN_FORCE + SLACK
        settle_and_judge(world, run, arrived)
        assert "waits" not in run.said()
        # Another folder and another table at once: that is all of them.
        shutil.copytree(world.folder, third)
        agent.map(third, OTHER)
        put(agent)
        until_waiting(run, 30)


def test_an_edit_that_is_undone_or_broken_waits_no_longer(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        before = text_of(agent)
        agent.map(many(world.root / "more", 20), OTHER, "more")
        edited = text_of(agent)
        by_rename(agent.mapping_file, edited)
        until_waiting(run, 20)
        by_rename(agent.mapping_file, before)
        run.wait(lambda: not edit_of(run), 5, "the undone edit waits no longer")
        assert status(agent)["problems"] == []
        assert NOT_WAITING in typed(agent, "plan", "--accept", code=LEFT).errors
        by_rename(agent.mapping_file, edited)
        until_waiting(run, 20)
        agent.mapping_file.write_text("mappings: [", "utf-8")
        run.wait(lambda: bool(run.status()["mappingFile"]["problems"]), 5, "the problem is shown")
        assert not edit_of(run)
        by_rename(agent.mapping_file, edited)
        until_waiting(run, 20)
        assert not run.status()["mappingFile"]["problems"]
        world.judge([])


def test_only_the_edit_that_was_looked_at_is_accepted(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(many(world.root / "more", 20), OTHER, "more")
        put(agent)
        first = until_waiting(run, 20)
        agent.map(many(world.root / "most", 30), OTHER, "most")
        put(agent)
        # At once: the agent may not have looked yet.
        refused = typed(agent, "plan", "--accept", first, code=LEFT).errors
        assert f"and not {first}" in refused and "redivis-sync plan" in refused
        second = until_waiting(run, 50)
        assert len(run.status()["mappings"]) == 1 and second != first
        typed(agent, "plan", "--accept", "nonsense", code=USAGE)
        typed(agent, "plan", first, code=USAGE)
        # Without a name: the file as it is.
        typed(agent, "plan", "--accept")
        assert len(run.status()["mappings"]) == 3
        until_arrived(world, run, 50)


def test_what_an_edit_would_send_in_other_ways(world: World) -> None:
    """Patterns, sizes, a pause that ends, files that a mapping which goes leaves to the one around it."""
    many(world.folder / "raw", 10)
    many(world.folder / "inner", 10)
    for number in range(10):
        world.write(f"large-{number}.bin", 2000)
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS)
    agent.map(world.folder, exclude=["raw"], maximum_size="1000").map(
        world.folder / "inner", OTHER, "inner", paused=True)
    with watching(agent, ready=False) as run:
        run.wait(lambda: run.mapping().get("lastScanAt") is not None, 20, "the folder is scanned")
        run.wait(lambda: len(agent.list("--state", "ignored")) == 10, 20, "what is too large is listed")
        run.wait(lambda: len(agent.list("--state", "queued")) == 10, 20, "what is paused is queued")
        whole = dict(agent.mappings)
        for mappings in (
            whole | {"weather": whole["weather"] | {"exclude": []}},
            whole | {"weather": whole["weather"] | {"maximum_size": "1MB"}},
            whole | {"inner": whole["inner"] | {"paused": False}},
            {"weather": whole["weather"]},
        ):
            agent.mappings = mappings
            put(agent)
            until_waiting(run, 10)
            agent.mappings = whole
            put(agent)
            run.wait(lambda: not edit_of(run), 5, "undone")
        world.judge([])
        # What `existing` keeps back is not sent.
        agent.map(many(world.root / "kept", 20), OTHER, "kept", existing="hold")
        put(agent)
        run.wait(lambda: len(run.status()["mappings"]) == 3, IN_FORCE + SLACK, "the third mapping is in force")


def test_an_edit_cannot_lift_the_limit_that_it_breaks(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.settings["confirm_above"] = 1000
        agent.map(many(world.root / "more", 20), OTHER, "more")
        put(agent)
        until_waiting(run, 20)
        # By itself it can be lifted.
        more = agent.mappings.pop("more")
        put(agent)
        run.wait(lambda: not edit_of(run), 5, "the limit is lifted")
        agent.mappings["more"] = more
        put(agent)
        until_arrived(world, run, 20)
        assert not edit_of(run)


def test_a_folder_that_cannot_be_counted_waits_until_it_can(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(world.root / "later", OTHER, "later")
        put(agent)
        run.wait(lambda: edit_of(run).get("waits", False), 5, "it waits")
        assert "later" in edit_of(run)["problems"][0]
        assert typed(agent, "plan", "--json", code=LEFT).json()["confirmation"]["is_needed"]
        many(world.root / "later", 2)
        run.wait(lambda: len(run.status()["mappings"]) == 2, 25, "it is in force by itself")
        until_arrived(world, run, 2)


def test_what_waits_goes_on_waiting_after_a_restart(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(many(world.root / "more", 20), OTHER, "more")
        put(agent)
        until_waiting(run, 20)
        run.kill()
    with watching(agent, writes=False, ready=False) as run:
        name = until_waiting(run, 20)
        assert f"redivis-sync plan --accept {name}" in run.said() and "going on with the one before" in run.said()
        assert len(run.status()["mappings"]) == 1
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run)
        typed(agent, "plan", "--accept", name)
        # It is durable: not even a crash right behind it asks again.
        run.kill()
    with watching(agent, writes=False) as run:
        assert len(run.status()["mappings"]) == 2 and not edit_of(run)
        settle_and_judge(world, run, world.expect() + world.expect(world.root / "more", OTHER))


def test_an_edit_while_no_agent_runs(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT, **BY_EVENTS).map(world.folder)
    # With no earlier file there is no edit.
    many(world.folder, 20)
    with watching(agent) as run:
        settle_and_judge(world, run)
    # What sends little is in force from the start, with what only a start can change.
    agent.map(many(world.root / "few", 2), OTHER, "few").settings["registration_doubt"] = "7s"
    with watching(agent) as run:
        assert len(run.status()["mappings"]) == 2 and not run.status()["mappingFile"]["problems"]
    agent.map(many(world.root / "more", 20), OTHER, "more")
    agent.write_mapping_file()
    name = typed(agent, "plan", "--json").json()["confirmation"]["edit"]
    assert f"and not {'0' * 12}" in typed(agent, "plan", "--accept", "0" * 12, code=LEFT).errors
    assert "from the next start on" in typed(agent, "plan", "--accept", name).text
    with watching(agent, writes=False) as run:
        assert len(run.status()["mappings"]) == 3 and not edit_of(run)
        until_arrived(world, run, 42)


def test_a_single_run_goes_by_the_file_as_it_is(world: World) -> None:
    agent = world.agent(confirm_above=LIMIT).map(world.folder)
    agent.run_once()
    more = many(world.root / "more", 20)
    agent.map(more, OTHER, "more")
    agent.run_once()
    world.judge(world.expect(more, OTHER))


def test_counting_a_huge_folder_holds_nothing_up(world: World) -> None:
    """Another edit comes while it is counted, and is judged for itself."""
    huge = world.root / "huge"
    for number in range(200):
        many(huge / f"{number // 20}" / f"{number}", 100)
    agent = world.agent(confirm_above=1_000_000, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(huge, OTHER, "huge", paused=False, existing="hold")
        put(agent)
        begun = time.monotonic()
        del agent.mappings["huge"]
        agent.map(world.folder, OTHER)
        put(agent)
        until_in_force(run, OTHER)
        assert time.monotonic() - begun <= IN_FORCE + SLACK
        assert len(run.status()["mappings"]) == 1
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run, world.expect(table=OTHER))
