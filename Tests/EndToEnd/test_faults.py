"""One thing goes wrong at a chosen request, and still every file is there once, byte for byte.

The faults' names are those of docs/sandbox.md. The numbers behind the parts name the rules of docs/protocol.md.

Troubles T-14, T-16, T-17, T-24 of docs/testing.md.
"""

from __future__ import annotations

import pytest
from harness import LEFT, MIB, World

SIZE = 4 * MIB + 300_000

# Part 1: the resumable protocol. Five chunks; the third is in the middle, the fifth is the last.
CHUNK_FAULTS = [
    "put-chunk:2:override-200",
    "put-chunk:2:plain-200",
    "put-chunk:2:finish-early",
    "put-chunk:2:no-range",
    "put-chunk:1:no-range",
    "put-chunk:2:keep=262144",
    "put-chunk:2:keep=0",
    "put-chunk:1:keep=0",
    "put-chunk:5:keep=262144",
    "put-chunk:2:ack-more=262144",
    "put-chunk:3:lose-stored=1310720",
    "put-chunk:3:404",
    "put-chunk:3:410",
    "put-chunk:3:499",
    "put-chunk:5:410",
    "put-chunk:2:401,once",
    "put-chunk:2:403,once",
    "put-chunk:2:400,once",
    "put-chunk:2:411,once",
    "put-chunk:2:412,once",
    "put-chunk:2:413,once",
    "put-chunk:2:416,once",
    "put-chunk:2:408,once",
    "put-chunk:2:429,retry-after=1",
    "put-chunk:2:500",
    "put-chunk:2:502,after",
    "put-chunk:2:503",
    "put-chunk:5:503,after",
    "put-chunk:2:504",
    "put-chunk:2:portal",
    "put-chunk:5:portal",
    "put-chunk:2:reset",
    "put-chunk:2:reset-at=700000",
    "put-chunk:5:reset-at=100000",
    "put-chunk:2:lose-reply",
    "put-chunk:5:lose-reply",
    "put-chunk:2:delay=1500",
    "put-chunk:2:gap",
    "put-chunk:2:finish-more=262144",
    "put-chunk:5:finish-more=1",
    "put-chunk:2:blank",
    "put-chunk:2:redirect=307",
    "put-chunk:2:redirect=308",
    "put-chunk:2:never-read=1500",
    "put-chunk:2:never-answer=1500",
    "put-chunk:5:never-answer=1500,after",
    "put-chunk:2:endless-body",
    "put-chunk:5:endless-body,after",
    "put-chunk:2:endless-headers",
    "put-chunk:2:trickle=5",
    "query-status:1:503",
    "query-status:1:no-range",
    "query-status:1:lose-reply",
]


@pytest.mark.parametrize("fault", CHUNK_FAULTS)
def test_chunks(world: World, fault: str) -> None:
    # A query only comes after a doubt, which a lost reply makes.
    doubt = ["--fault", "put-chunk:3:lose-reply"] if fault.startswith("query-status") else []
    world.open_sandbox("--fault", fault, *doubt)
    world.write("a.bin", SIZE)
    world.agent().map(world.folder, endpoint="resumable_upload").run_once()
    world.judge()
    assert any(line.get("fault") for line in world.record.requests()), "the fault never struck"


@pytest.mark.parametrize("fault", ["put-chunk:2-4:503", "put-chunk:1-3:reset", "put-chunk:1-4:keep=262144"])
def test_the_same_trouble_several_times_in_a_row(world: World, fault: str) -> None:
    world.open_sandbox("--fault", fault)
    world.write("a.bin", SIZE)
    world.agent().map(world.folder).run_once()
    world.judge()


@pytest.mark.parametrize("answer", ["308", "override-200", "200"])
@pytest.mark.parametrize("endpoint", ["resumable_upload", "temp_uploads"])
def test_each_reading_of_the_answer_to_a_chunk(world: World, answer: str, endpoint: str) -> None:
    world.open_sandbox("--switch", f"chunk-answer={answer}")
    world.write("a.bin", SIZE)
    world.agent().map(world.folder, endpoint=endpoint).run_once()
    world.judge()


@pytest.mark.full
def test_sessions_that_die_again_and_again_are_not_opened_without_end(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:410")
    world.write("a.bin", SIZE)
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    assert agent.states()[b"a.bin"] in ("parked", "waiting")
    assert world.record.counts()["open-session"] < 30
    world.judge([])


# Part 2: opening a session. An orphan that a lost answer leaves behind expires by itself.


@pytest.mark.parametrize(
    "fault",
    [
        "open-session:1:503", "open-session:1:500", "open-session:1:429,retry-after=1", "open-session:1:reset",
        "open-session:1:lose-reply", "open-session:1:portal", "open-session:1:delay=1500",
    ],
)
def test_opening_a_session(world: World, fault: str) -> None:
    world.open_sandbox("--fault", fault)
    world.write("a.bin", SIZE)
    world.agent().map(world.folder, endpoint="resumable_upload").run_once()
    world.judge()


@pytest.mark.parametrize(
    "fault",
    [
        "temp-uploads:1:503", "temp-uploads:1:lose-reply", "start-session:1:503", "start-session:1:lose-reply",
        "start-session:1:reset", "put-whole:1:503", "put-whole:1:reset-at=5", "put-whole:1:lose-reply",
    ],
)
def test_temp_uploads(world: World, fault: str) -> None:
    # The server says which uploads are resumable, and clients obey.
    switch = ["--switch", "resumable-flag=false"] if fault.startswith("put-whole") else []
    world.open_sandbox("--fault", fault, *switch)
    world.write("a.bin", SIZE)
    world.agent().map(world.folder, endpoint="temp_uploads").run_once()
    world.judge()


# Part 3: the registration, of which nothing must be repeated blindly.

POST_FAULTS = [
    "post-uploads:1:lose-reply",
    "post-uploads:1-3:lose-reply",
    "post-uploads:1:reset",
    "post-uploads:1:503",
    "post-uploads:1:503,after",
    "post-uploads:1:500,after",
    "post-uploads:1:502,after",
    "post-uploads:1:408,after",
    "post-uploads:1:429,retry-after=1",
    "post-uploads:1:portal",
    "post-uploads:1:late=700",
    "post-uploads:1:late=1700",
    "post-uploads:1:delay=1500",
    "post-uploads:1:never-read=1500",
    "post-uploads:1:never-answer=1500,after",
    "post-uploads:1:endless-body,after",
    "post-uploads:1:endless-headers,after",
    "post-uploads:1:blank,after",
    "post-uploads:1:trickle=2",
    "post-uploads:1:redirect=307",
    "post-uploads:2:release",
    "post-uploads:2:release,after",
]


@pytest.mark.parametrize("fault", POST_FAULTS)
def test_registrations(world: World, fault: str) -> None:
    world.open_sandbox("--fault", fault)
    for number in range(4):
        world.write(f"{number}.csv", 1000 + number)
    world.agent(registration_doubt="3s").map(world.folder).run_once()
    world.judge()


@pytest.mark.parametrize("switch", ["duplicate-name=rename", "duplicate-name=refuse", "duplicate-name=second", "upload-id-reuse=refuse"])
def test_a_lost_reply_under_each_reading_of_a_second_post(world: World, switch: str) -> None:
    world.open_sandbox("--fault", "post-uploads:1:lose-reply", "--fault", "post-uploads:2:reset", "--switch", switch)
    for number in range(3):
        world.write(f"{number}.csv", 1000 + number)
    world.agent().map(world.folder).run_once()
    world.judge()


@pytest.mark.parametrize(
    "fault",
    [
        "list-uploads:1:503", "list-uploads:*:delay=200", "list-uploads:2:reset", "list-uploads:1:portal",
        "list-uploads:1-9:lag=2500", "list-uploads:1:endless-body", "get-table:1:endless-headers",
        "list-uploads:2:never-answer=1500", "list-uploads:*:trickle=1", "get-dataset:1:redirect=302",
        "get-table:1:503", "get-table:1:429,retry-after=1", "get-dataset:1:reset", "list-uploads:2-4:500",
    ],
)
def test_looking_things_up(world: World, fault: str) -> None:
    world.open_sandbox("--fault", fault)
    for number in range(3):
        world.write(f"{number}.csv", 1000 + number)
    world.agent().map(world.folder).run_once()
    world.judge()


def test_a_lost_reply_is_looked_up_and_not_repeated(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:1:lose-reply")
    world.write("a.csv", b"a\n")
    world.agent().map(world.folder).run_once()
    world.judge()
    assert world.record.counts()["post-uploads"] == 1


# Part 4: the import.


def test_a_failed_import_is_parked_with_redivis_words_and_taken_off(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:1:import-failed=No variables found in row 1")
    world.write("a.csv", b"a\n")
    world.write("b.csv", b"b\n")
    agent = world.agent(uploads=1).map(world.folder)
    agent.run_once(status=LEFT)
    assert sorted(agent.states().values()) == ["delivered", "parked"]
    (parked,) = [path for path, state in agent.states().items() if state == "parked"]
    assert "No variables found in row 1" in agent.call("why", str(world.folder / parked.decode())).text
    # A failed upload that stays would block the release, so it is off the table.
    assert [one.deleted for one in world.record.registrations() if one.status == "failed"] == [True]
    agent.call("retry", str(world.folder / parked.decode()))
    agent.run_once()
    world.judge(withdrawn=1)


@pytest.mark.parametrize("what", ["wrong-md5", "wrong-size"])
def test_what_redivis_reports_otherwise_is_sent_once_more(world: World, what: str) -> None:
    world.open_sandbox("--fault", f"post-uploads:1:{what}")
    world.write("a.csv", b"a\n")
    world.agent().map(world.folder).run_once()
    world.judge(withdrawn=1)


@pytest.mark.parametrize("what", ["wrong-md5", "wrong-size"])
def test_what_redivis_reports_otherwise_twice_is_parked(world: World, what: str) -> None:
    world.open_sandbox("--fault", f"post-uploads:*:{what}")
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    assert agent.states() == {b"a.csv": "parked"}
    world.judge([], withdrawn=2)
    assert world.record.counts()["post-uploads"] == 2


def test_size_alone_where_the_mapping_says_so(world: World) -> None:
    world.open_sandbox("--switch", "hash=none")
    world.write("a.csv", b"a\n")
    world.agent().map(world.folder, verify="size").run_once()
    world.judge()


@pytest.mark.parametrize(
    "switch",
    [
        "hash=hex", "hash=base64", "hash=none", "size=string", "hash-when=at-once", "post-status=200", "post-status=201",
        "error-format=nested", "upload-uri=name", "uri-encoding=encoded", "storage-token=refuse",
    ],
)
def test_each_reading_of_what_the_documentation_leaves_open(world: World, switch: str) -> None:
    world.open_sandbox("--switch", switch, "--fault", "post-uploads:2:import-failed=No variables found")
    for number in range(3):
        world.write(f"{number} & more.csv", 1000 + number)
    agent = world.agent().map(world.folder)
    agent.run_once(status=LEFT)
    agent.call("retry", "--all")
    agent.run_once()
    world.judge(withdrawn=1)


def test_upload_urls_on_the_apis_own_origin_may_see_the_token(world: World) -> None:
    world.open_sandbox("--switch", "storage-origin=api", "--switch", "storage-token=require")
    world.write("a.bin", 2 * MIB)
    world.agent().map(world.folder).run_once()
    world.judge()


def test_a_quota_that_is_used_up(world: World) -> None:
    world.open_sandbox("--fault", "any-api:6-9:429,retry-after=1", "--fault", "any-api:20-22:429,retry-after=2")
    for number in range(10):
        world.write(f"{number}.csv", 100 + number)
    world.agent().map(world.folder).run_once()
    world.judge()


@pytest.mark.parametrize("meeting", ["rename", "refuse", "refuse-id"])
def test_a_registration_that_somebody_in_between_sends_twice(world: World, meeting: str) -> None:
    world.open_sandbox("--fault", f"post-uploads:2:again={meeting}")
    for number in range(3):
        world.write(f"{number}.csv", 1000 + number)
    world.agent().map(world.folder).run_once()
    # Of two under two names one is taken off again.
    world.judge(withdrawn=1 if meeting == "rename" else 0)


def test_a_draft_that_is_deleted_as_soon_as_it_is_open(world: World) -> None:
    world.open_sandbox("--fault", "post-versions:1-2:close-draft,after")
    number = world.released_table()
    world.write("a.csv", 1000)
    world.agent().map(world.folder, existing="upload").run_once()
    world.judge(foreign=[number])
    assert world.record.counts()["post-versions"] >= 3


def test_what_is_to_be_tried_much_later_is_left_to_the_next_run(world: World) -> None:
    world.open_sandbox("--fault", "open-session:1:503,retry-after=1800")
    world.write("later.bin", 1000)
    agent = world.agent().map(world.folder, endpoint="resumable_upload")
    # Not after the minute for which a single run puts up with what fails.
    result = agent.run_once(LEFT, seconds=40)
    assert "waiting: weather: later.bin" in result.errors
    agent.run_once()
    world.judge()
