"""Files that were there before the mapping: adopted, sent, skipped or held, as `existing` says."""

from __future__ import annotations

import pytest
from harness import LEFT, TABLE, World, kill, wait_until


def fill(world: World) -> None:
    world.write("same-name.csv", b"one\n")
    world.write("other-name.csv", b"two\n")
    world.write("never-seen.csv", b"three\n")


def test_auto_on_an_empty_table_sends_everything(world: World) -> None:
    fill(world)
    world.agent().map(world.folder).run_once()
    world.judge()


def test_auto_with_other_uploads_adopts_equals_and_holds_the_rest(world: World) -> None:
    fill(world)
    foreign = [
        world.sandbox.foreign_upload(TABLE, "same-name.csv", b"one\n"),
        world.sandbox.foreign_upload(TABLE, "by hand.csv", b"two\n"),
    ]
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    world.judge([], foreign=foreign)
    assert agent.states() == {
        b"same-name.csv": "delivered", b"other-name.csv": "delivered", b"never-seen.csv": "held",
    }


def test_auto_adopts_at_most_one_file_for_an_upload(world: World) -> None:
    world.write("first.csv", b"same\n")
    world.write("second.csv", b"same\n")
    foreign = [world.sandbox.foreign_upload(TABLE, "by hand.csv", b"same\n")]
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    world.judge([], foreign=foreign)
    assert sorted(agent.states().values()) == ["delivered", "held"]


def test_auto_does_not_adopt_what_differs(world: World) -> None:
    world.write("same-name.csv", b"one\n")
    foreign = [world.sandbox.foreign_upload(TABLE, "same-name.csv", b"another\n")]
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    world.judge([], foreign=foreign)
    assert set(agent.states().values()) == {"held"}


def test_held_ones_can_be_added(world: World) -> None:
    fill(world)
    foreign = [world.sandbox.foreign_upload(TABLE, "by hand.csv", b"elsewhere\n")]
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    agent.call("resolve", *(str(path) for path in world.folder.iterdir()), "--add")
    agent.run_once()
    world.judge(foreign=foreign)


@pytest.mark.parametrize(
    ("mode", "state", "status"), [("upload", "delivered", 0), ("skip", "ignored", 0), ("hold", "held", LEFT)]
)
def test_the_other_modes(world: World, mode: str, state: str, status: int) -> None:
    fill(world)
    foreign = [world.sandbox.foreign_upload(TABLE, "by hand.csv", b"elsewhere\n")]
    agent = world.agent().map(world.folder, existing=mode)
    agent.run_once(status=status)
    assert set(agent.states().values()) == {state}
    world.judge(world.expect() if mode == "upload" else [], foreign=foreign)


@pytest.mark.parametrize("mode", ["auto", "skip", "hold"])
def test_files_that_come_later_are_new(world: World, mode: str) -> None:
    fill(world)
    foreign = [world.sandbox.foreign_upload(TABLE, "by hand.csv", b"elsewhere\n")]
    agent = world.agent().map(world.folder, existing=mode)
    agent.run_once(status=None)
    world.write("later.csv", b"later\n")
    agent.run_once(status=None)
    world.judge([one for one in world.expect() if one.paths[0] == b"later.csv"], foreign=foreign)


def test_a_kill_in_the_first_seconds_does_not_make_our_uploads_somebody_elses(world: World) -> None:
    """The verdict is durable before the first delivery: what we sent ourselves never holds the rest back."""
    world.open_sandbox("--fault", "post-uploads:*:delay=100")
    for number in range(12):
        world.write(f"{number}.csv", 500 + number)
    agent = world.agent(uploads=1).map(world.folder)
    for _ in range(3):
        process = agent.start("run", "--once")
        seen = len(world.record.uploads())
        wait_until(lambda: process.poll() is not None or len(world.record.uploads()) >= seen + 2, 30)
        kill(process)
    agent.run_once()
    world.judge()


def test_a_file_that_equals_only_another_names_tagged_upload_is_held(world: World) -> None:
    """It may be our own file, moved while the memory was lost; a person decides."""
    world.write("old-name.csv", b"one\n")
    agent = world.agent("first").map(world.folder)
    agent.run_once()
    arrived = world.expect()
    (world.folder / "old-name.csv").rename(world.folder / "new-name.csv")
    second = world.agent("second").map(world.folder)
    with world.nothing_sent():
        second.run_once(status=LEFT)
    assert second.states() == {b"new-name.csv": "held"}
    world.judge(arrived)
