"""The mapping file is edited while the agent runs: at every moment one whole file is in force, and nothing under way
notices."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable

import pytest
from harness import MIB, TABLE, Agent, World
from mapping_edits import IN_FORCE, OTHER, SLACK, WAYS, by_rename, folder_of, table_in_force, text_of, until_in_force
from watching import BY_EVENTS, settle_and_judge, until_arrived, until_idle, watching


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_takes_effect_within_two_seconds(world: World, way: str) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("before.csv", b"before\n")
        before = world.expect()
        settle_and_judge(world, run, before)
        agent.map(world.folder, OTHER)
        WAYS[way](agent.mapping_file, text_of(agent))
        took = until_in_force(run, OTHER)
        assert took <= IN_FORCE + SLACK, f"{way}: {took:.1f} s"
        assert run.status()["mappingFile"]["problems"] == []
        world.write("after.csv", b"after\n")
        after = [one for one in world.expect(table=OTHER) if one.paths[0] == b"after.csv"]
        settle_and_judge(world, run, before + after)


def broken(agent: Agent) -> dict[str, Callable[[], None]]:
    path, text = agent.mapping_file, text_of(agent)

    def half_held_open() -> None:
        file = path.open("w", encoding="utf-8")
        file.write(text[: len(text) // 2])
        file.flush()
        HELD.append(file)

    return {
        "deleted": path.unlink,
        "no YAML": lambda: path.write_text("mappings: [", "utf-8"),
        "unknown key": lambda: path.write_text(text + "nonsense: 1\n", "utf-8"),
        "empty": lambda: path.write_text("", "utf-8"),
        "half": lambda: path.write_text(text[: text.index("folder")], "utf-8"),
        "half, held open": half_held_open,
        "not UTF-8": lambda: path.write_bytes(b"\xff\xfe\x00"),
        "folder missing": lambda: path.write_text(text.replace(f"folder: {chr(34)}", f"folder: {chr(34)}relative"), "utf-8"),
        "own files": lambda: path.write_text(text.replace(str(agent.home.parent / "data"), str(agent.home)), "utf-8"),
    }


HELD: list = []


@pytest.mark.parametrize(
    "what",
    ["deleted", "no YAML", "unknown key", "empty", "half", "half, held open", "not UTF-8", "folder missing", "own files"],
)
def test_a_broken_edit_changes_nothing(world: World, what: str) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(world.folder, OTHER)
        broken(agent)[what]()
        time.sleep(2.2)
        assert table_in_force(run) == TABLE
        if what != "half, held open":
            assert run.status()["mappingFile"]["problems"], "the problem is not shown"
        world.write("a.csv", b"under the old one\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        while HELD:
            HELD.pop().close()
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        run.wait(lambda: not run.status()["mappingFile"]["problems"], 5, "the problem is gone")
        settle_and_judge(world, run, arrived)


def test_the_last_good_one_is_kept_for_the_next_start(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        agent.mapping_file.write_text(text_of(agent) + "nonsense: [\n", "utf-8")
        run.wait(lambda: bool(run.status()["mappingFile"]["problems"]), 5, "the problem is shown")
    with watching(agent, writes=False) as run:
        assert table_in_force(run) == OTHER
        assert run.status()["mappingFile"]["problems"]
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run, world.expect(table=OTHER))


# What an edit may change


def test_another_table(world: World) -> None:
    """Delivered stays delivered; what has a session ends where it began; what is queued goes to the new table."""
    world.open_sandbox("--fault", "put-chunk:*:wait=250")
    agent = world.agent(uploads=1, **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("delivered.csv", b"delivered\n")
        settle_and_judge(world, run)
        world.write("running.bin", 16 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 3, 20, "the large file is on its way")
        old = world.expect()
        for number in range(5):
            world.write(f"queued-{number}.csv", 1000 + number)
        run.wait(lambda: list(agent.states().values()).count("queued") == 5, 20, "five files are queued")
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        known = {one.paths for one in old}
        new = [one for one in world.expect(table=OTHER) if one.paths not in known]
        assert len(new) == 5
        settle_and_judge(world, run, old + new)
    assert world.record.received_by_size()[16 * MIB] == 16 * MIB, "the transfer was disturbed"


def test_what_was_delivered_to_the_table_before_is_not_sent_to_the_new_one(world: World) -> None:
    """Neither when it is touched, nor when a copy of the same bytes takes its place."""
    for name in ("touched.csv", "replaced.csv"):
        world.write(name, name.encode())
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        with world.nothing_sent():
            (world.folder / "touched.csv").touch()
            (world.folder / "replaced.tmp").write_bytes(b"replaced.csv")
            (world.folder / "replaced.tmp").rename(world.folder / "replaced.csv")
            until_idle(run)
            time.sleep(1)
            until_idle(run)


def test_another_folder(world: World) -> None:
    """The same path and content is the same version, wherever its folder is."""
    for number in range(3):
        world.write(f"sub/{number}.csv", 500 + number)
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        elsewhere = world.root / "elsewhere"
        shutil.copytree(world.folder, elsewhere)
        (elsewhere / "sub" / "new.csv").write_bytes(b"only here\n")
        agent.map(elsewhere)
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: folder_of(run.mapping()) == os.fsencode(elsewhere), 5, "the other folder is in force")
        settle_and_judge(world, run, world.expect(elsewhere))
        # Nobody looks at the old one any more.
        world.write("late.csv", b"nobody's\n")
        (elsewhere / "late too.csv").write_bytes(b"somebody's\n")
        settle_and_judge(world, run, world.expect(elsewhere))


def test_mappings_come_and_go(world: World) -> None:
    second = world.root / "second"
    second.mkdir()
    (second / "there.csv").write_bytes(b"there before the mapping\n")
    world.write("a.csv", b"a\n")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        settle_and_judge(world, run)
        agent.map(second, OTHER, "second")
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run, world.expect() + world.expect(second, OTHER))
        arrived = world.expect() + world.expect(second, OTHER)
        del agent.mappings["weather"]
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: len(run.status()["mappings"]) == 1, 5, "the mapping is gone")
        world.write("unmapped.csv", b"nobody's now\n")
        (second / "more.csv").write_bytes(b"more\n")
        more = [one for one in world.expect(second, OTHER) if one.paths[0] == b"more.csv"]
        settle_and_judge(world, run, arrived + more)
        agent.map(world.folder)
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run, world.expect() + world.expect(second, OTHER))


def test_a_mapping_that_goes_while_it_has_work_and_comes_back(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=200")
    agent = world.agent(uploads=1, **BY_EVENTS).map(world.folder).map(world.root / "none", OTHER, "none")
    with watching(agent, ready=False) as run:
        run.until_state("watching")
        world.write("running.bin", 10 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "the large file is on its way")
        world.write("queued.csv", b"queued\n")
        run.wait(lambda: agent.states().get(b"queued.csv") == "queued", 20, "a file is queued")
        mapping = agent.mappings.pop("weather")
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: len(run.status()["mappings"]) == 1, 5, "the mapping is gone")
        running = [one for one in world.expect() if one.paths[0] == b"running.bin"]
        until_arrived(world, run, 1, 30)
        world.judge(running)
        agent.mappings["weather"] = mapping
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run)


def test_paused_by_the_mapping_file(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        agent.map(world.folder, paused=True)
        by_rename(agent.mapping_file, text_of(agent))
        run.until_state("paused", 5)
        world.write("b.csv", b"b\n")
        run.wait(lambda: agent.states().get(b"b.csv") == "queued", 20, "it is queued")
        time.sleep(1)
        world.judge(arrived)
        agent.map(world.folder)
        by_rename(agent.mapping_file, text_of(agent))
        settle_and_judge(world, run)


def test_what_needs_a_restart_says_so_and_does_not_come_by_the_next_edit(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.settings["registration_doubt"] = "7s"
        agent.settings["api"] = "http://127.0.0.1:1/api/v1"
        by_rename(agent.mapping_file, text_of(agent))
        run.wait(lambda: any("restart" in one for one in run.status()["mappingFile"]["problems"]), 5, "it says so")
        agent.map(world.folder, OTHER)
        by_rename(agent.mapping_file, text_of(agent))
        until_in_force(run, OTHER)
        assert any("`api`" in one for one in run.status()["mappingFile"]["problems"])
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run, world.expect(table=OTHER))
