"""Breaks of the contract that show with many rows: each test states what must hold.

Costs are compared within one run of the agent, because the machine may be busy. With REDIVIS_SYNC_FULL the larger of the
two sizes is used.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import TABLE, World, scaled
from known_breaks import (
    PromiseBroken, add_paths, add_versions, ask_pause, database, fill_table, is_at_rest, journal_lines, known_versions,
    list_requests, must_hold, processor_seconds, stored_file, until,
)
from mapping_edits import OTHER, by_rename, table_in_force, text_of
from test_status import states
from watching import BY_EVENTS, Watching, registrations, until_arrived, watching

pytestmark = pytest.mark.slow


# P-09: a folder whose file system is away


@pytest.fixture
def other_file_system(world: World) -> Iterator[Path]:
    """A directory on another file system than the test's own."""
    try:
        place = Path(tempfile.mkdtemp(prefix="rs-", dir="/dev/shm"))
    except OSError:
        pytest.skip("/dev/shm cannot be written")
    try:
        if place.stat().st_dev == world.root.stat().st_dev:
            pytest.skip("/dev/shm is the file system of the temporary files")
        yield place
    finally:
        shutil.rmtree(place)


def test_rows_of_a_file_system_that_is_away_hold_up_no_new_file(world: World, other_file_system: Path) -> None:
    """P-09: failing rows come before ready ones, by age, and each failure is a journal line."""
    count = scaled(8_000, 30_000)
    disk = world.root / "disk"
    disk.mkdir()
    (disk / "first.csv").write_bytes(b"first\n")
    (other_file_system / "unrelated.txt").write_bytes(b"unrelated\n")
    current = world.root / "current"
    current.symlink_to(disk)
    agent = world.agent(**BY_EVENTS).map(current, identifier="away", include=["*.csv"]).map(world.folder)
    agent.call("pause", "away")
    agent.run_once(status=None)
    with database(agent) as connection:
        add_paths(connection, stored_file(connection, b"first.csv"), "queued-", count)
    current.unlink()
    current.symlink_to(other_file_system)
    agent.call("resume", "away")
    with watching(agent, ready=False) as run:
        run.until_state("watching")
        time.sleep(2)
        before, begun = journal_lines(agent, "away"), time.monotonic()
        world.write("new.csv", b"new\n")
        arrived = until(lambda: registrations(world) > 0, 10)
        passed = time.monotonic() - begun
        time.sleep(max(0.0, 5 - passed))
        lines = journal_lines(agent, "away") - before
        found = f"{lines} journal lines within {max(passed, 5):.0f} s about {count} rows that wait for one file system"
        must_hold(arrived, f"a new file elsewhere is not on the table after {passed:.0f} s; {found}")
        must_hold(lines <= 200, found)
        problems = run.status()["problems"]
        must_hold(len(problems) == 1, f"status has {len(problems)} problems while one file system is away: {problems}")


# P-12: history


def test_the_cost_of_a_new_file_does_not_grow_with_the_history_of_its_inode(world: World) -> None:
    """P-12: the indexes by inode lack the size, so a query reads every version that an inode number ever had."""
    few, many, files = 50, scaled(100_000, 400_000), 2
    staging = world.root / "staging"
    staging.mkdir()
    groups: dict[str, list[Path]] = {"few": [], "many": []}
    for name, group in groups.items():
        for number in range(files):
            path = staging / f"{name}-{number}.csv"
            path.write_bytes(world.generator.randbytes(200 + number))
            group.append(path)
    world.write("first.csv", b"first\n")
    agent = world.agent(**BY_EVENTS).map(world.folder, existing="upload")
    agent.run_once()
    with database(agent) as connection:
        like = stored_file(connection, b"first.csv")
        for name, group in groups.items():
            for number, path in enumerate(group):
                add_paths(
                    connection, like, f"gone/{name}-{number}/", few if name == "few" else many, path.stat().st_ino)
    costs: dict[str, float] = {}
    with watching(agent) as run:
        # A file of neither group warms the caches.
        world.write("warm.csv", b"warm\n")
        arrived = 2
        until_arrived(world, run, arrived)
        run.wait(lambda: is_at_rest(agent), 60, "nothing is under way")
        for name, group in groups.items():
            before = processor_seconds(run)
            for path in group:
                path.rename(world.folder / path.name)
            arrived += files
            until_arrived(world, run, arrived)
            run.wait(lambda: is_at_rest(agent), 60, "nothing is under way")
            costs[name] = (processor_seconds(run) - before) / files
    world.judge()
    must_hold(
        costs["many"] <= 2 * costs["few"] + 0.005,
        f"a new file costs {costs['few']:.3f} s of processor time with {few} versions on its inode number, "
        f"{costs['many']:.3f} s with {many}")


def test_the_cost_of_a_change_does_not_grow_with_the_history_of_its_path(world: World) -> None:
    """P-12: all versions of a path are read and decoded, up to three times, whenever its content is known."""
    few, many, changes = 20, scaled(4_000, 40_000), 2
    paths = {name: world.write(f"{name}.csv", 100) for name in ("few", "many")}
    agent = world.agent(**BY_EVENTS).map(world.folder, existing="upload")
    agent.run_once()
    arrived = world.expect()
    with database(agent) as connection:
        stored = {name: stored_file(connection, f"{name}.csv".encode()) for name in paths}
        for name, file in stored.items():
            add_versions(connection, file, few if name == "few" else many)
    costs: dict[str, float] = {}
    with watching(agent) as run:
        for name, path in paths.items():
            versions = known_versions(agent, stored[name])
            before = processor_seconds(run)
            for change in range(1, changes + 1):
                path.write_bytes(world.generator.randbytes(120))
                run.wait(
                    lambda: known_versions(agent, stored[name]) == versions + change, 60, f"change {change} of {name}.csv")
            costs[name] = (processor_seconds(run) - before) / changes
        assert agent.states() == {b"few.csv": "held", b"many.csv": "held"}
    world.judge(arrived)
    must_hold(
        costs["many"] <= 2 * costs["few"] + 0.05,
        f"a change costs {costs['few']:.3f} s of processor time with {few} versions of its path, "
        f"{costs['many']:.3f} s with {many}")


# P-13: an edit of `table:`


def test_an_edited_table_holds_up_nothing_else(world: World) -> None:
    """P-13: every queued row is loaded and rewritten in one transaction, and every other write waits for it."""
    count = scaled(20_000, 200_000)
    idle = world.root / "idle"
    idle.mkdir()
    agent = world.agent(**BY_EVENTS).map(world.folder).map(idle, identifier="idle")
    agent.call("pause", "weather")
    world.write("first.csv", b"first\n")
    agent.run_once(status=None)
    with database(agent) as connection:
        add_paths(connection, stored_file(connection, b"first.csv"), "queued-", count)
    with watching(agent, ready=False) as run:
        run.until_state("watching", identifier="idle")
        usual = longest_answer(run, 2.0)
        agent.mappings["weather"]["table"] = OTHER
        by_rename(agent.mapping_file, text_of(agent))
        waited, begun = 0.0, time.monotonic()
        while "the mapping file was taken up" not in run.said():
            assert time.monotonic() - begun < 120, run.said()[-2000:]
            waited = max(waited, longest_answer(run, 0.2))
        # Rows may still be moving, in batches.
        waited = max(waited, longest_answer(run, 2.0))
        assert table_in_force(run) == OTHER
        assert states(agent) == {"queued": count + 1}
    bound = max(0.5, 4 * usual)
    must_hold(
        waited <= bound,
        f"a small request waited for {waited:.2f} s while {count} rows went to another table; the longest before was "
        f"{usual:.2f} s, the bound is {bound:.2f} s")


def longest_answer(run: Watching, seconds: float) -> float:
    """Makes small writes one after the other for `seconds`, and returns the longest that one of them took."""
    longest, begun = 0.0, time.monotonic()
    while time.monotonic() - begun < seconds:
        longest = max(longest, ask_pause(run, "idle"))
        time.sleep(0.02)
    return longest


# P-14: listings


def open_table(world: World, pages: int, *faults: str) -> list[int]:
    """Opens a sandbox with a table of `pages` pages and then adds the faults. Returns the numbers of the uploads.

    A page has 100 uploads: the first list request is refused, and the agent then asks for pages of 100.
    """
    sandbox = world.open_sandbox()
    fill_table(sandbox, TABLE, 100 * pages - 50)
    sandbox.start_again("--fault", "list-uploads:1:400", *(word for fault in faults for word in ("--fault", fault)))
    return [one.number for one in world.record.registrations()]


@pytest.mark.parametrize("doubts", [4, 16])
def test_doubts_share_their_walks_through_the_table(world: World, doubts: int) -> None:
    """P-14: each lost post lists all pages of the table every 5 seconds, however many others do at the same time."""
    pages, window = scaled(5, 30), scaled(10, 30)
    others = open_table(world, pages, f"post-uploads:1-{doubts}:reset")
    agent = world.agent(uploads=doubts, registration_doubt=f"{window}s", **BY_EVENTS).map(world.folder, existing="upload")
    for number in range(doubts):
        world.write(f"{number}.csv", 100 + number)

    def posts() -> list[int]:
        return sorted(line["seq"] for line in world.record.requests("post-uploads"))[len(others) :]

    with watching(agent) as run:
        run.wait(lambda: len(posts()) > doubts, 90, "the first post is repeated")
        # From the first of the lost posts to the first that is repeated.
        asked = list_requests(world.sandbox, posts()[0], posts()[doubts])
        until_arrived(world, run, len(others) + doubts)
    world.judge(foreign=others)
    # One at each end of the window, one every 5 seconds in between, and one spare.
    walks = window // 5 + 2
    must_hold(
        asked <= walks * pages,
        f"{asked} pages of a table of {pages} were asked for in {doubts} doubts of {window} s; "
        f"{walks} walks are {walks * pages}")


def test_a_throttled_post_costs_no_walk_through_the_table(world: World) -> None:
    """P-14: after any failure the table is listed again before the post, for each file by itself."""
    pages, files = scaled(10, 30), 4
    others = open_table(world, pages, f"post-uploads:1-{files}:429,retry-after=1")
    agent = world.agent(uploads=files, inline_limit="1MiB", **BY_EVENTS).map(world.folder, existing="upload")
    with watching(agent) as run:
        run.wait(lambda: len(world.record.requests("list-uploads")) >= pages, 20, "the table is known")
        for number in range(files):
            world.write(f"{number}.csv", 100 + number)
        until_arrived(world, run, len(others) + files)
        posts = sorted(line["seq"] for line in world.record.requests("post-uploads"))[len(others) :]
        asked = list_requests(world.sandbox, posts[0], posts[-1])
    world.judge(foreign=others)
    must_hold(
        asked <= 2 * pages,
        f"{asked} pages of a table of {pages} were asked for between the first and the last post of {files} files, each "
        f"answered 429 once; 2 walks are {2 * pages}")


def test_a_listing_goes_on_where_a_page_failed(world: World) -> None:
    """P-14: the pages before the failed one are requested again."""
    pages = scaled(20, 30)
    others = open_table(world, pages, "list-uploads:15:503", "list-uploads:34:503")
    agent = world.agent(**BY_EVENTS).map(world.folder, existing="upload")
    world.write("a.csv", b"a\n")
    with watching(agent) as run:
        until_arrived(world, run, len(others) + 1)
        first_post = sorted(line["seq"] for line in world.record.requests("post-uploads"))[len(others)]
        listed = [line for line in world.record.requests("list-uploads") if line["seq"] < first_post]
    world.judge(foreign=others)
    failed = sum(1 for line in listed if line["status"] != 200)
    must_hold(
        len(listed) - failed <= 3 * pages // 2,
        f"{len(listed)} list requests, {failed} of them failed, before the first post to a table of {pages} pages")
