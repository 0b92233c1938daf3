"""A state directory that is set back to what it was earlier (P-08)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import World, kill, wait_until
from watching import Watching


def by_copy(backup: Path, state: Path) -> None:
    shutil.rmtree(state)
    shutil.copytree(backup, state, symlinks=True)
    state.chmod(0o700)


def database_in_place(backup: Path, state: Path) -> None:
    """As `cp` does it: the inode stays."""
    for name in ("queue.sqlite-wal", "queue.sqlite-shm"):
        (state / name).unlink(missing_ok=True)
    for one in backup.glob("queue.sqlite*"):
        if one.name == "queue.sqlite":
            with (state / one.name).open("r+b") as file:
                file.truncate()
                file.write(one.read_bytes())
        else:
            shutil.copy(one, state / one.name)


@pytest.mark.parametrize("restore", [by_copy, database_in_place])
@pytest.mark.parametrize("late", [3000, 6000])
def test_a_restored_state_posts_nothing_that_is_still_on_its_way(
    world: World, restore: Callable[[Path, Path], None], late: int,
) -> None:
    """P-08: a database that is not the one that was written last waits, lists, and then posts."""
    world.open_sandbox("--switch", "duplicate-name=second", "--fault", f"post-uploads:2:late={late}")
    agent = world.agent(registration_doubt="12s").map(world.folder)
    world.write("a.csv", b"a\n")
    agent.run_once()
    backup = world.root / "backup"
    shutil.copytree(agent.state, backup, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    world.write("b.csv", b"b\n")
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("post-uploads")) == 2, 30)
    kill(process)
    restore(backup, agent.state)
    agent.run_once()
    world.judge()


def test_a_crash_is_no_restore(world: World) -> None:
    """P-08: after SIGKILL the database is the file that was written last, and nothing waits for a doubt."""
    agent = world.agent(registration_doubt="120s").map(world.folder)
    world.write("a.csv", b"a\n")
    agent.run_once()
    Watching(agent).ready().kill()
    world.write("b.csv", b"b\n")
    agent.run_once(seconds=60)
    world.judge()
