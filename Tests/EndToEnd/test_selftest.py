"""`selftest` finds that every byte arrives exactly once; and what is wrong, where somebody tampers with what arrived."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checker import Sandbox
from harness import DONE, LEFT, World, binary, plain_environment, wait_until
from test_documents import hold
from test_terminal import COLOUR, REDRAWING, run_on_terminal

STEPS = ["sandbox", "agent", "files", "kill", "restart", "delivery", "stop", "once", "judgement"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the drill makes its folder, of a name that YAML would trip over."""
    place = tmp_path / "a: 'place' # of \"its\" own"
    place.mkdir()
    return place


def surroundings(home: Path, place: Path) -> dict[str, str]:
    """A user whose own mapping file, token and state would end the drill, or be touched by it, were they looked at."""
    own = home / "own"
    own.mkdir()
    (own / "mapping.yaml").write_text("no mapping file\n")
    return plain_environment(home) | {
        "TMPDIR": str(place), "REDIVIS_SYNC_MAPPING_FILE": str(own / "mapping.yaml"), "REDIVIS_API_TOKEN": "secret-of-mine",
        "STATE_DIRECTORY": str(own / "state"), "XDG_STATE_HOME": str(own / "states"), "XDG_CONFIG_HOME": str(own),
        "http_proxy": "http://127.0.0.1:9", "NOTIFY_SOCKET": str(own / "socket"),
    }


@contextmanager
def drill(home: Path, place: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [binary(), "selftest", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=surroundings(home, place),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            # In order, so that its children are ended too.
            process.terminate()
        process.communicate(timeout=20)


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """By the kernel's word (`man 5 proc`)."""
    found: set[int] = set()
    for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
        try:
            found |= {int(one) for one in task.read_text().split()}
        except OSError:
            pass
    return found


def is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def kept(place: Path) -> Path:
    (folder,) = place.glob("redivis-sync-selftest.*")
    return folder


def registrations(place: Path) -> list[Path]:
    return sorted(place.glob("redivis-sync-selftest.*/arrived/registrations/*.json"))


def first_of_the_seen(place: Path) -> Path:
    """The first registration. More than two are there once the drill has seen the first two at their end and gone on,
    so that neither it nor the stand-in is at it any more."""
    wait_until(lambda: len(registrations(place)) > 2, 40)
    return registrations(place)[0]


def test_every_byte_arrives_exactly_once(tmp_path: Path, place: Path) -> None:
    with drill(tmp_path, place, "--json") as process:
        wait_until(lambda: len(children(process)) == 2, 30)
        started = children(process)
        folder = kept(place)
        wait_until(lambda: len(registrations(place)) > 15, 50)
        # By our own reading, while it lasts.
        names = {one.name for one in Sandbox(folder / "arrived").registrations()}
        out, errors = process.communicate(timeout=60)
        report = json.loads(out)
        hold("selftest", report)
        assert (process.returncode, errors) == (DONE, b""), report
        assert not [one for one in started if is_there(one)]
    assert [(one["step"], one["verdict"]) for one in report["steps"]] == [(step, "passed") for step in STEPS]
    assert (report["verdict"], report["files"], report["problems"]) == ("passed", 17, [])
    assert report["bytes"] > 12 << 20 and report["seconds"] < 60 and "folder" not in report
    assert any("%E9" in name for name in names) and any(name.startswith("2026/") for name in names)
    # Nothing is left, and nothing of the user's was touched.
    assert not list(place.iterdir())
    assert sorted(one.name for one in (tmp_path / "own").iterdir()) == ["mapping.yaml"]


def double(place: Path, registration: Path) -> None:
    content = json.loads(registration.read_text()) | {"number": 999_999, "name": "second.csv"}
    (registration.parent / "999999.json").write_text(json.dumps(content))


def take_off(place: Path, registration: Path) -> None:
    registration.write_text(json.dumps(json.loads(registration.read_text()) | {"deleted": True}))


def damage(place: Path, registration: Path) -> None:
    target = registration.parent.parent / "objects" / json.loads(registration.read_text())["object"]
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [(double, ["doubled"]), (take_off, ["missing"]), (damage, ["missing", "foreign"])],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_is_wrong_on_the_receiving_side_is_seen(
    tmp_path: Path, place: Path, tamper: Callable[[Path, Path], None], expected: list[str]
) -> None:
    """One file of those that arrived is there twice, is not there, or has one bit that differs."""
    with drill(tmp_path, place, "--json") as process:
        registration = first_of_the_seen(place)
        tamper(place, registration)
        out, errors = process.communicate(timeout=80)
    report = json.loads(out)
    hold("selftest", report)
    assert process.returncode == LEFT
    assert report["verdict"] == "failed"
    assert [one["kind"] for one in report["problems"]] == expected
    assert [one["step"] for one in report["steps"] if one["verdict"] == "failed"] == ["judgement"]
    path = report["problems"][0]["path"]
    assert path in errors.decode() and len(errors.splitlines()) == len(expected)
    # What is kept tells the rest.
    folder = kept(place)
    assert report["folder"] == str(folder)
    assert (folder / "data" / path).is_file() and (folder / "agent.log").is_file()


def test_a_stand_in_that_dies_ends_the_drill_at_once(tmp_path: Path, place: Path) -> None:
    with drill(tmp_path, place) as process:
        first_of_the_seen(place)
        stand_in = min(children(process))
        os.kill(stand_in, signal.SIGKILL)
        begun = time.monotonic()
        out, errors = process.communicate(timeout=60)
    assert process.returncode == LEFT and time.monotonic() - begun < 30
    said = out.decode()
    assert "the stand-in: it ended by signal 9" in said
    assert said.splitlines()[-1].startswith("✗  not every byte arrived exactly once")
    assert f"everything is kept in {kept(place)}" in said
    assert "redivis-sync: missing: large.bin: " in errors.decode()


@pytest.mark.parametrize("sent", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT, signal.SIGINT]], ids=str)
def test_a_signal_ends_it_and_every_child(tmp_path: Path, place: Path, sent: list[signal.Signals]) -> None:
    with drill(tmp_path, place) as process:
        wait_until(lambda: len(children(process)) == 2, 30)
        started = children(process)
        for one in sent:
            process.send_signal(one)
        process.communicate(timeout=10)
        # The second signal may find it ended already.
        assert process.returncode in ((LEFT,) if len(sent) == 1 else (LEFT, 128 + signal.SIGINT))
        assert not [one for one in started if is_there(one)]
    assert process.returncode != LEFT or not list(place.iterdir())


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [binary(), "selftest"], capture_output=True, timeout=30, stdin=subprocess.DEVNULL, check=False,
        env=plain_environment(tmp_path) | {"TMPDIR": str(tmp_path / "missing")},
    )
    assert (done.returncode, done.stdout) == (LEFT, b"")
    assert b"name another place in $TMPDIR" in done.stderr


@pytest.mark.parametrize("columns", [80, 200])
def test_it_is_one_screen_on_a_terminal(tmp_path: Path, columns: int) -> None:
    status, shown = run_on_terminal([binary(), "selftest"], plain_environment(tmp_path), columns=columns)
    assert status == DONE, shown
    assert COLOUR.search(shown) and REDRAWING.search(shown)
    # What was redrawn is no line any more.
    text = REDRAWING.sub(b"", COLOUR.sub(b"", shown)).decode().replace("\r", "")
    lines = [line for line in text.split("\n") if not line.startswith("  …  ")]
    assert len(lines) <= 24 and max(map(len, lines)) <= columns
    assert [line.split()[1] for line in lines if line.startswith("  ✓  ")] == STEPS
    assert lines[-2].startswith("✓  17 files, ") and lines[-2].count("every byte arrived exactly once")
