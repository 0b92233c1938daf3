"""What lies in a mapped folder arrives: every size, every name, each once.

Trouble T-18 of docs/testing.md.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import pytest
from harness import DONE, GIB, KIB, LEFT, MIB, World, path_of, scaled, wait_until


def test_many_files_in_nested_folders(world: World) -> None:
    count = scaled(300, 3000)
    for number in range(count):
        world.write(f"y{number % 7}/m{number % 12}/d{number % 28}/station-{number}.csv", 200 + number % 3000)
    world.agent().map(world.folder).run_once(seconds=scaled(120, 540))
    report = world.judge()
    assert report.files == count


@pytest.mark.full
def test_three_thousand_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIVIS_SYNC_FULL", "1")
    test_many_files_in_nested_folders(world)


SIZES = [1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 256 * KIB, 5 * MIB + 17]


@pytest.mark.parametrize("endpoint", ["auto", "resumable_upload", "temp_uploads"])
def test_sizes_around_the_steps_of_the_protocol(world: World, endpoint: str) -> None:
    for size in SIZES:
        world.write(f"{size}.bin", size)
    world.agent().map(world.folder, endpoint=endpoint).run_once()
    world.judge()


@pytest.mark.slow
def test_a_file_of_many_chunks(world: World) -> None:
    world.write("large.bin", scaled(20, 100) * 1000 * 1000)
    world.agent().map(world.folder).run_once(seconds=240)
    world.judge()
    assert len(world.record.requests("put-chunk")) >= 20


@pytest.mark.full
@pytest.mark.parametrize("size", [100_000_000, (1 << 31) - 1, (1 << 31) + 1, (1 << 32) + 1, 5 * GIB])
def test_large_sparse_files(world: World, size: int) -> None:
    path = world.write("sparse.bin", b"the beginning")
    with path.open("r+b") as file:
        for position in (size // 3, size // 2 + 12345):
            file.seek(position)
            file.write(os.urandom(64 * KIB))
        file.seek(size - 8)
        file.write(b"the end.")
    assert path.stat().st_size == size
    world.agent(chunk_size="64MiB").map(world.folder).run_once(seconds=540)
    world.judge()


def test_empty_files_are_skipped_unless_asked_for(world: World) -> None:
    world.write("empty.csv", b"")
    world.write("full.csv", b"a\n1\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.judge(world.expect())
    assert "empty_files" in agent.call("why", str(world.folder / "empty.csv")).text
    world.agent("other").map(world.folder, empty_files="register", existing="upload").run_once()
    world.judge(world.expect(empty=True))


@pytest.mark.parametrize("endpoint", ["resumable_upload", "temp_uploads"])
def test_an_empty_file_goes_by_either_endpoint(world: World, endpoint: str) -> None:
    world.write("empty.csv", b"")
    world.agent().map(world.folder, empty_files="register", endpoint=endpoint).run_once()
    world.judge(world.expect(empty=True))


ODD_NAMES = [
    b"caf\xe9.csv",
    b"\xff\xfe\x80",
    b"half-\xc3.csv",
    b"surrogate-\xed\xa0\x80.csv",
    b"line\nfeed.csv",
    b"tab\tand\x01control\x7f.csv",
    b"\"quoted\" 'and' `ticked`.csv",
    b"a#b%c?d&e:f;g=h+i.csv",
    b"percent%41%zz%.csv",
    b"long ending." + b"x" * 240,
    b"back\\slash.csv",
    b"-starts-with-a-dash.csv",
    b" leading and trailing ",
    b"{path}.csv",
    b"..two-dots-inside..csv",
    b"x" * 251 + b".csv",
    b"\xf0" * 255,
    "é".encode() * 127 + b"x",
    "NFC-é.csv".encode(),
    "NFD-e\u0301.csv".encode(),
    "שלום.csv".encode(),
    "😀.csv".encode(),
    b"*.csv",
    b"[a-z].csv",
    b"~x",
]


def test_names_are_bytes(world: World) -> None:
    for number, name in enumerate(ODD_NAMES):
        if name.startswith(b".."):
            name = b"n" + name
        world.write(name, b"content %d" % number)
        world.write(b"below/" + name, b"below %d" % number)
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.judge()
    found = agent.states()
    assert {os.path.relpath(p, os.fsencode(world.folder)) for p in walk(world.folder)} == set(found)
    for entry in agent.list():
        path = path_of(entry)
        assert ("path_base64" in entry) == (not is_text(path)), path


def test_a_percent_sign_beside_a_byte_that_is_not_text(world: World) -> None:
    """Only bytes that are not UTF-8 are percent-encoded; that names stay apart is the tag's work."""
    world.write(b"100%\xff.csv", b"a\n")
    world.write(b"100%FF.csv", b"a\n")
    world.agent().map(world.folder).run_once()
    world.judge()


def test_every_byte_in_a_name(world: World) -> None:
    for byte in range(1, 256):
        if byte != ord("/"):
            world.write(b"b" + bytes([byte]) + b"x.csv", bytes([byte]) * 3)
    world.agent().map(world.folder).run_once()
    assert world.judge().files == 254


def test_twins_that_redivis_folds_together_stay_apart(world: World) -> None:
    same = b"a,b\n1,2\n"
    for name in ("a.csv", "a_csv", "A.csv", "a-csv", "a csv", "d/a.csv", "d_a.csv"):
        world.write(name, same)
    world.write("other/a.csv", b"another content\n")
    world.agent().map(world.folder).run_once()
    world.judge()


def test_same_content_at_many_paths_is_many_uploads(world: World) -> None:
    for number in range(10):
        world.write(f"copy-{number}.csv", b"the same\n")
    world.agent().map(world.folder).run_once()
    assert world.judge().files == 10


def test_hard_links_are_one_version(world: World) -> None:
    first = world.write("a/first.csv", 300 * KIB)
    (world.folder / "b").mkdir()
    (world.folder / "b" / "second.csv").hardlink_to(first)
    agent = world.agent().map(world.folder)
    agent.run_once()
    assert world.judge().files == 1
    (world.folder / "later.csv").hardlink_to(first)
    with world.nothing_sent():
        agent.run_once()


def test_symbolic_links_are_not_followed(world: World) -> None:
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_bytes(b"outside\n")
    world.write("real/inside.csv", b"inside\n")
    links = {
        "file.csv": outside / "secret.csv", "folder": outside, "self": Path("self"), "dangling": Path("nowhere"),
        "up": Path(".."), "real/back": world.folder, "inside-again.csv": Path("real/inside.csv"),
    }
    for name, target in links.items():
        (world.folder / name).symlink_to(target)
    world.agent().map(world.folder).run_once()
    assert world.judge().files == 1


def test_sockets_and_pipes_are_passed_over(world: World) -> None:
    os.mkfifo(world.folder / "pipe.csv")
    world.write("real.csv", b"x\n")
    world.agent().map(world.folder).run_once(seconds=30)
    world.judge()


def test_include_exclude_and_the_built_in_list(world: World) -> None:
    for name in ("a.csv", "b.json", "deep/c.csv", "deep/skip.csv", "raw/d.csv", "e.csv.part", "f.tmp", "~$g.csv"):
        world.write(name, name.encode())
    world.write(".hidden.csv", b"hidden")
    world.write(".git/h.csv", b"hidden")
    world.agent().map(world.folder, include=["**/*.csv", "*.csv"], exclude=["skip.csv", "raw/**"]).run_once()
    wanted = [one for one in world.expect() if one.paths[0] in (b"a.csv", b"deep/c.csv")]
    assert len(wanted) == 2
    world.judge(wanted)


def test_not_recursive_and_size_limits(world: World) -> None:
    world.write("small.csv", 10)
    world.write("right.csv", 2000)
    world.write("large.csv", 9000)
    world.write("below/right.csv", 2000)
    world.agent().map(world.folder, recursive=False, minimum_size="1KB", maximum_size="4KB").run_once()
    world.judge([one for one in world.expect() if one.paths[0] == b"right.csv"])


def test_two_mappings_share_a_folder(world: World) -> None:
    other_table = "demo_org.weather_stations.stations"
    world.write("r/one.csv", b"one\n")
    world.write("r/two.json", b"{}\n")
    world.write("r/deep/three.csv", b"three\n")
    agent = world.agent()
    agent.map(world.folder, identifier="csv", include=["**/*.csv", "*.csv"])
    agent.map(world.folder, other_table, identifier="rest")
    agent.map(world.folder / "r" / "deep", other_table, identifier="deep")
    agent.run_once()
    mine = [one for one in world.expect() if one.paths[0] == b"r/one.csv"]
    rest = [one for one in world.expect(table=other_table) if one.paths[0] == b"r/two.json"]
    world.judge(mine + rest + world.expect(world.folder / "r" / "deep", other_table))


def test_upload_name_and_format_reach_redivis(world: World) -> None:
    world.write("2024/north.csv.gz", b"not really gzip")
    agent = world.agent().map(
        world.folder, upload_name="{mapping}/{name}",
        format={"type": "delimited", "delimiter": ";", "header_row": False, "null_markers": ["NA", ""]},
    )
    agent.run_once()
    world.judge(world.expect(template="{mapping}/{name}", mapping="weather"))
    (upload,) = world.record.uploads()
    assert upload.fields["delimiter"] == ";"
    assert upload.fields["hasHeaderRow"] is False
    assert upload.fields["type"] == "delimited"
    assert upload.fields["nullMarkers"] == ["NA", ""]


def test_the_sources_are_not_touched(world: World) -> None:
    """ctime moves with every change of content, name, owner or times, and no program can set it back."""
    for number in range(20):
        world.write(f"d{number % 3}/{number}.csv", 1000 + number)

    def looks() -> dict[bytes, tuple]:
        found = {}
        for path in [os.fsencode(world.folder), *walk(world.folder), *folders(world.folder)]:
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found

    before = looks()
    agent = world.agent().map(world.folder)
    agent.run_once()
    agent.run_once()
    assert looks() == before
    world.judge()


def test_a_file_that_somebody_writes_is_not_taken(world: World) -> None:
    world.write("whole.csv", b"whole\n")
    agent = world.agent().map(world.folder, settle="200ms")
    with (world.folder / "growing.csv").open("wb") as file:
        file.write(b"first half,")
        file.flush()
        result = agent.run_once(status=LEFT)
        assert "still being written" in result.errors
        world.judge([one for one in world.expect() if one.paths[0] == b"whole.csv"])
        file.write(b"second half\n")
    agent.run_once()
    world.judge()


def test_a_preallocated_file_that_is_being_filled_is_not_taken(world: World) -> None:
    """Its size and, for a memory map, its times stand still while somebody writes."""
    path = world.write("mapped.bin", 2 * MIB)
    agent = world.agent().map(world.folder, settle="200ms")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 2 * MIB) as mapped:
        mapped[:5] = b"begun"
        agent.run_once(status=LEFT)
        assert world.record.uploads() == []
        mapped[-5:] = b"ended"
    agent.run_once()
    world.judge()


def test_a_slow_writer_settles_while_the_run_goes_on(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=500")
    world.write("large.bin", 12 * MIB)
    path = world.folder / "appended.csv"
    path.write_bytes(b"0\n")
    agent = world.agent().map(world.folder, settle="500ms")
    process = agent.start("run", "--once")
    for number in range(1, 8):
        with path.open("ab") as file:
            file.write(b"%d\n" % number)
        time.sleep(0.3)
    out, err = process.communicate(timeout=60)
    assert process.returncode == DONE, (out, err)
    world.judge()


def test_a_folder_that_is_not_there_does_not_stop_the_rest(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.root / "missing", identifier="missing").map(world.folder, identifier="there")
    result = agent.run_once(status=LEFT)
    assert "missing" in result.errors
    world.judge(world.expect())


def test_files_deleted_while_others_are_sent_are_gone(world: World) -> None:
    world.open_sandbox("--fault", "open-session:*:wait=150")
    for number in range(10):
        world.write(f"{number}.csv", 1000 + number)
    everything = world.expect()
    agent = world.agent(uploads=1).map(world.folder, endpoint="resumable_upload")
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.uploads()) >= 2, 30)
    for path in sorted(world.folder.iterdir())[1::2]:
        path.unlink()
    process.communicate(timeout=60)
    assert process.returncode in (DONE, LEFT)
    states = agent.states()
    # What was deleted went before or not at all, and the program says which; what stayed is there.
    world.judge([one for one in everything if states[one.paths[0]] == "delivered"])
    left = {one.paths[0] for one in world.expect()}
    assert {states[path] for path in left} == {"delivered"}
    assert {states[one.paths[0]] for one in everything if one.paths[0] not in left} <= {"delivered", "gone"}
    assert "gone" in states.values()


def test_the_name_is_that_of_the_contract(world: World) -> None:
    """One upload's name, worked out with openssl: checker and program cannot be wrong together by sharing a slip."""
    world.write("a/b.csv", b"x")
    world.agent().map(world.folder).run_once()
    (upload,) = world.record.uploads()
    assert upload.name == "a/b-1a402827f9aa.csv"


def walk(folder: Path) -> list[bytes]:
    found = []
    for directory, _, names in os.walk(os.fsencode(folder)):
        found += [os.path.join(directory, name) for name in names]
    return found


def folders(folder: Path) -> list[bytes]:
    return [os.fsencode(path) for path in folder.rglob("*") if path.is_dir()]


def is_text(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
