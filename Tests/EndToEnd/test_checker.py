"""The judge is judged first: on hand-made sandbox directories it says "holds" only where everything does."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from checker import Expected, Sandbox, check, expect_folder, fold
from upload_names import encode, ending, tag, upload_name

TABLE = "demo_org.weather.readings"


class Forged:
    """A sandbox directory written by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "objects").mkdir(parents=True)
        (root / "registrations").mkdir()
        (root / "log.jsonl").touch()
        self.number = 100

    def register(self, upload: str, content: bytes, /, **changes: object) -> dict:
        self.number += 1
        body = {
            "number": self.number, "owner": "demo_org", "dataset": "weather", "table": "readings", "version": 0,
            "name": upload, "requestedName": upload, "status": "completed", "deleted": False, "object": f"o{self.number}",
            "size": len(content), "uploadId": f"t{self.number}", "via": "resumableUploadId", "fields": {},
        } | changes
        (self.root / "objects" / str(body["object"])).write_bytes(content)
        (self.root / "registrations" / f"{self.number}.json").write_text(json.dumps(body))
        return body

    def log(self, **line: object) -> None:
        with (self.root / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def problems(self, expected: list[Expected], **options: object) -> list[str]:
        return check(Sandbox(self.root), expected, **options).problems


@pytest.fixture
def forged(tmp_path: Path) -> Forged:
    return Forged(tmp_path / "kept")


def expected(path: bytes, content: bytes, *more: bytes) -> Expected:
    return Expected(TABLE, (path, *more), len(content), hashlib.sha256(content).digest())


def name_of(path: bytes, content: bytes) -> str:
    return upload_name(path, hashlib.sha256(content).digest())


def test_what_arrived_whole_and_once_holds(forged: Forged) -> None:
    forged.register(name_of(b"a/b.csv", b"one"), b"one")
    forged.register(name_of(b"c.csv", b"two"), b"two")
    assert forged.problems([expected(b"a/b.csv", b"one"), expected(b"c.csv", b"two")]) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": "running"}, "not completed"),
        ({"status": "failed"}, "0 times"),
        ({"deleted": True}, "0 times"),
        ({"requestedName": "other.csv"}, "was renamed"),
        ({"table": "other"}, "0 times"),
        ({"name": "a-000000000000.csv"}, "0 times"),
        ({"size": 4}, "registered with 4"),
    ],
)
def test_one_wrong_fact_is_seen(forged: Forged, changes: dict, word: str) -> None:
    forged.register(name_of(b"a.csv", b"one"), b"one", **changes)
    assert any(word in problem for problem in forged.problems([expected(b"a.csv", b"one")]))


def test_a_mixture_of_two_contents_is_seen(forged: Forged) -> None:
    forged.register(name_of(b"a.csv", b"onetwo"), b"oneTWO")
    assert len(forged.problems([expected(b"a.csv", b"onetwo")])) == 1


def test_a_prefix_is_seen(forged: Forged) -> None:
    forged.register(name_of(b"a.csv", b"onetwo"), b"one")
    assert forged.problems([expected(b"a.csv", b"onetwo")])


def test_the_same_twice_is_seen(forged: Forged) -> None:
    for _ in range(2):
        forged.register(name_of(b"a.csv", b"one"), b"one")
    problems = forged.problems([expected(b"a.csv", b"one")])
    assert any("2 times" in problem for problem in problems)
    assert any("fold together" in problem for problem in problems)


def test_the_same_twice_in_two_versions_is_seen(forged: Forged) -> None:
    for version in range(2):
        forged.register(name_of(b"a.csv", b"one"), b"one", version=version)
    assert any("2 times" in problem for problem in forged.problems([expected(b"a.csv", b"one")]))


def test_an_upload_that_nobody_expected_is_seen(forged: Forged) -> None:
    forged.register("stranger.csv", b"one")
    assert any("nothing that was to arrive" in problem for problem in forged.problems([]))


def test_one_transfer_registered_under_two_names_is_seen(forged: Forged) -> None:
    forged.register(name_of(b"a.csv", b"one"), b"one", uploadId="t")
    forged.register(name_of(b"b.csv", b"one"), b"one", uploadId="t")
    problems = forged.problems([expected(b"a.csv", b"one"), expected(b"b.csv", b"one")])
    assert any("registered 2 times" in problem for problem in problems)


def test_hard_links_count_once(forged: Forged) -> None:
    file = expected(b"a.csv", b"one", b"b.csv")
    forged.register(name_of(b"b.csv", b"one"), b"one")
    assert forged.problems([file]) == []
    forged.register(name_of(b"a.csv", b"one"), b"one")
    assert any("2 times" in problem for problem in forged.problems([file]))


def test_uploads_that_were_withdrawn_are_told_unless_allowed(forged: Forged) -> None:
    forged.register(name_of(b"a.csv", b"one"), b"one", deleted=True)
    forged.register(name_of(b"a.csv", b"one"), b"one")
    assert any("taken off again" in problem for problem in forged.problems([expected(b"a.csv", b"one")]))
    assert forged.problems([expected(b"a.csv", b"one")], withdrawn=1) == []


def test_a_token_on_the_storage_origin_is_seen(forged: Forged) -> None:
    forged.log(**{"class": "put-chunk", "origin": "storage", "token": "full"})
    assert any("Authorization" in problem for problem in forged.problems([]))


def test_foreign_uploads_do_not_count(forged: Forged) -> None:
    number = forged.register("stranger.csv", b"one")["number"]
    assert forged.problems([], foreign=[number]) == []


def test_a_half_written_last_line_is_left_out(forged: Forged) -> None:
    forged.log(**{"class": "put-chunk", "origin": "storage"})
    with (forged.root / "log.jsonl").open("a") as file:
        file.write('{"class": "put-')
    assert len(Sandbox(forged.root).requests()) == 1


def test_a_folder_is_read_as_a_mapping_would(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.csv").write_bytes(b"one")
    (tmp_path / "b.csv").hardlink_to(tmp_path / "deep" / "a.csv")
    (tmp_path / "link.csv").symlink_to("b.csv")
    (tmp_path / ".hidden").write_bytes(b"x")
    (tmp_path / "empty.csv").touch()
    found = expect_folder(tmp_path, TABLE)
    assert [file.paths for file in found] == [(b"b.csv", b"deep/a.csv")]
    assert len(expect_folder(tmp_path, TABLE, empty=True)) == 2


def test_the_command_line_says_the_same(forged: Forged, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.mkdir()
    (source / "a.csv").write_bytes(b"one")
    command = [sys.executable, "-B", str(Path(__file__).with_name("checker.py")), str(forged.root)]
    command += ["--folder", f"{source}={TABLE}"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    forged.register(name_of(b"a.csv", b"one"), b"one")
    result = subprocess.run(command, check=False, capture_output=True)
    assert (result.returncode, b"1 files, 3 bytes" in result.stdout) == (0, True)


# The upload's name. The expected texts are worked out by hand from the contract's sentences.

DIGEST = hashlib.sha256(b"x").digest()


@pytest.mark.parametrize(
    ("path", "expected_ending"),
    [
        (b"a/b.csv", b".csv"),
        (b"a/b.csv.gz", b".csv.gz"),
        (b"a/b.shp.zip", b".shp.zip"),
        (b"a/b.geojsonl.gz", b".geojsonl.gz"),  # 12 characters, the most
        (b"a/b.geojson12.gz", b".gz"),  # 13
        (b"a.d/b", b""),
        (b"a/b.tar.bz2", b".bz2"),
        (b"a.gz", b".gz"),
        (b"a/.csv", b""),
        (b"a/.csv.gz", b".gz"),
        (b"a/b.", b"."),
    ],
)
def test_endings(path: bytes, expected_ending: bytes) -> None:
    assert ending(path) == expected_ending


def test_the_tag_stands_before_the_ending() -> None:
    assert upload_name(b"a/b.csv.gz", DIGEST) == f"a/b-{tag(b'a/b.csv.gz', DIGEST)}.csv.gz"


def test_the_tag_is_over_the_raw_bytes_before_any_encoding() -> None:
    raw = b"caf\xe9.csv"
    wanted = hashlib.sha256(raw + b"\0" + DIGEST).hexdigest()[:12]
    assert upload_name(raw, DIGEST) == f"caf%E9-{wanted}.csv"
    assert encode(b"100%\xff\xc3\xa9") == "100%%FF\u00e9"


@pytest.mark.parametrize(
    "path", [b"x" * 251 + b".csv", b"d/" * 100 + b"x" * 255, b"\xff" * 255, "é".encode() * 127, "😀".encode() * 63]
)
def test_a_long_name_is_cut_to_255_bytes_before_the_tag(path: bytes) -> None:
    name = upload_name(path, DIGEST)
    assert 255 - 4 < len(name.encode()) <= 255
    assert tag(path, DIGEST) in name
    cut = name.split("-" + tag(path, DIGEST))[0]
    assert encode(path).startswith(cut)
    assert not cut.endswith(("%", "%F")), "cut inside an escape"


def test_an_ending_without_room_is_text() -> None:
    path = b"a." + b"x" * 250
    assert upload_name(path, DIGEST) == f"a.{'x' * 240}-{tag(path, DIGEST)}"


def test_twins_get_names_that_do_not_fold_together() -> None:
    names = {fold(upload_name(path, DIGEST)) for path in (b"a.csv", b"a_csv", b"A.csv")}
    assert len(names) == 3


def test_placeholders_are_expanded() -> None:
    name = upload_name(b"a/b.csv", DIGEST, "{mapping}/{stem}_{extension}", mapping="w")
    assert name == f"w/b_csv-{tag(b'w/b_csv', DIGEST)}"
