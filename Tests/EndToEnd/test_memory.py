"""Nothing is sent twice because something was forgotten, moved, touched or restored."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import KIB, TABLE, Agent, World, scaled


@pytest.fixture
def delivered(world: World) -> Agent:
    """A folder that was delivered whole."""
    for number in range(scaled(12, 60)):
        world.write(f"y{number % 3}/d{number % 4}/f{number}.csv", 1 + number * 7000)
    world.write(b"odd \xff\n name.csv", 300 * KIB)
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.judge()
    return agent


def test_a_second_run_sends_nothing(world: World, delivered: Agent) -> None:
    with world.nothing_sent():
        delivered.run_once()
        delivered.run_once()
    world.judge()


def test_without_its_state_it_sends_nothing_and_adopts_everything(world: World, delivered: Agent) -> None:
    expected = world.expect()
    shutil.rmtree(delivered.state)
    with world.nothing_sent():
        delivered.run_once()
    assert set(delivered.states().values()) == {"delivered"}
    assert len(delivered.states()) == len(expected)
    world.judge(expected)
    with world.nothing_sent():
        delivered.run_once()


def test_without_its_state_new_files_still_go(world: World, delivered: Agent) -> None:
    """Once what was there before is judged, the next new file is sent as ever."""
    shutil.rmtree(delivered.state)
    delivered.run_once()
    world.write("new.csv", b"new\n")
    delivered.run_once()
    world.judge()


def test_an_older_state_sends_nothing_twice(world: World, delivered: Agent) -> None:
    """A state directory put back from a backup does not know the last deliveries; the table does."""
    backup = world.root / "backup"
    shutil.copytree(delivered.state, backup)
    world.write("after-the-backup.csv", 70 * KIB)
    delivered.run_once()
    shutil.rmtree(delivered.state)
    shutil.copytree(backup, delivered.state)
    registered = world.record.counts()["post-uploads"]
    delivered.run_once()
    assert world.record.counts()["post-uploads"] == registered
    world.judge()


def test_state_lost_and_the_draft_released(world: World, delivered: Agent) -> None:
    """The deliveries are in a released version by now; an agent without memory looks there too."""
    world.release()
    shutil.rmtree(delivered.state)
    with world.nothing_sent():
        delivered.run_once()
    world.judge()


def chmod_everything(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "o-rwx", str(folder)], check=True)
    subprocess.run(["chmod", "-R", "u+x", str(folder)], check=True)


def touch_everything(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, follow_symlinks=False)


def move_a_folder(folder: Path) -> None:
    (folder / "y1").rename(folder / "renamed")
    (folder / "y2" / "d1").rename(folder / "renamed" / "deeper")


def rewrite_the_same_bytes(folder: Path) -> None:
    for path in folder.rglob("*.csv"):
        content = path.read_bytes()
        path.write_bytes(content)


def restore_by_copy_and_rename(folder: Path) -> None:
    for path in [path for path in folder.rglob("*.csv") if path.is_file()]:
        copy = path.with_name("restoring.tmp")
        shutil.copy2(path, copy)
        copy.rename(path)


def give_them_away(folder: Path) -> None:
    if os.geteuid() == 0:
        for path in folder.rglob("*.csv"):
            os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "treatment",
    [
        chmod_everything, touch_everything, move_a_folder, rewrite_the_same_bytes, restore_by_copy_and_rename,
        give_them_away,
    ],
    ids=lambda one: one.__name__,
)
def test_what_is_no_new_content_sends_nothing(world: World, delivered: Agent, treatment) -> None:
    before = world.expect()
    treatment(world.folder)
    with world.nothing_sent():
        delivered.run_once()
    world.judge(before)
    assert set(delivered.states().values()) == {"delivered"}


def test_moved_within_the_table_to_a_mapping_beside_it(world: World, delivered: Agent) -> None:
    """Same table, another folder of the same file system: a move, not a new file."""
    before = world.expect()
    beside = world.root / "beside"
    beside.mkdir()
    delivered.map(beside, identifier="beside")
    delivered.run_once()
    (world.folder / "y1").rename(beside / "y1")
    with world.nothing_sent():
        delivered.run_once()
    world.judge(before)


def test_a_log_rotation_is_a_move_and_a_new_file(world: World) -> None:
    path = world.write("app.log", b"monday\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    first = world.expect()
    path.rename(world.folder / "app.log.1")
    world.write("app.log", b"tuesday\n")
    # The rotated file keeps its delivery; the new content at the old path is a new version of a path that had one.
    agent.run_once(status=None)
    uploads = world.record.uploads()
    assert sum(one.name in first[0].names() for one in uploads) == 1
    assert agent.states()[b"app.log.1"] == "delivered"


def test_a_copy_is_a_new_file_at_a_new_path(world: World, delivered: Agent) -> None:
    shutil.copy2(world.folder / "y0" / "d0" / "f0.csv", world.folder / "copy of f0.csv")
    delivered.run_once()
    world.judge()


def test_the_folder_itself_moves_and_the_mapping_follows(world: World, delivered: Agent) -> None:
    elsewhere = world.root / "elsewhere"
    expected = world.expect()
    shutil.copytree(world.folder, elsewhere)
    delivered.map(elsewhere)
    with world.nothing_sent():
        delivered.run_once()
    world.judge(expected)


def test_mappings_in_another_order_send_nothing(world: World, delivered: Agent) -> None:
    extra = world.root / "extra"
    extra.mkdir()
    delivered.mappings = {"aaa": {"folder": str(extra), "table": TABLE}} | delivered.mappings
    with world.nothing_sent():
        delivered.run_once()


def test_two_agents_with_the_same_files_make_one_upload_each(world: World) -> None:
    """Two machines that hold the same folder, one after the other."""
    for number in range(5):
        world.write(f"{number}.csv", 1000 + number)
    world.agent("first").map(world.folder).run_once()
    copy = world.root / "copy"
    shutil.copytree(world.folder, copy)
    registered = world.record.counts()["post-uploads"]
    world.agent("second").map(copy, existing="upload").run_once()
    assert world.record.counts()["post-uploads"] == registered
    with world.nothing_sent():
        world.agent("third").map(copy).run_once()
    world.judge()


def test_a_new_inode_with_an_old_number_is_a_new_file(world: World) -> None:
    """ext4 gives a deleted file's inode number to the next one at once."""
    agent = world.agent().map(world.folder)
    everything = []
    for number in range(6):
        path = world.write(f"{number}.csv", f"content {number}\n".encode())
        agent.run_once()
        everything += world.expect()
        path.unlink()
    world.judge(everything)
