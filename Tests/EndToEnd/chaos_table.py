"""What chaos met, as a table: each named fault, how often it was hit, at which requests, and what came of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

# Each form of a fault that chaos has, with what the agent does about it (docs/protocol.md). The statuses stand for all
# requests of which they are true; a refusal that parks a file was retried as a person would.
OUTCOMES = {
    "400": "parked with Redivis's words; a session is asked once, then another one is opened",
    "401": "waits for another token; at a session another one is opened",
    "403": "the table is left alone for a while; at a session another one is opened",
    "404": "the table is left alone for a while; a session is dead, another one is opened",
    "405": "`endpoint: auto` takes the other way, else parked",
    "408": "backs off; a registration is looked up first",
    "409": "the name is looked up",
    "410": "a session is dead, another one is opened; elsewhere parked",
    "411": "the session is asked once, then another one is opened",
    "412": "the session is asked once, then another one is opened",
    "413": "the session is asked once, then another one is opened; elsewhere parked",
    "416": "the session is asked once, then another one is opened",
    "422": "parked with Redivis's words",
    "425": "backs off; a registration is looked up first",
    "429": "backs off",
    "429,after": "backs off; the look-up before the next post finds it",
    "429,retry-after: seconds": "waits as asked",
    "429,retry-after: date": "waits as asked",
    "429,retry-after: negative": "backs off",
    "499": "a session is dead, another one is opened; elsewhere parked",
    "500": "backs off; a registration is looked up for `registration_doubt`",
    "500,after": "as 500; the look-up finds it",
    "502": "as 500",
    "502,after": "as 500; the look-up finds it",
    "503": "as 500",
    "503,after": "as 500; the look-up finds it",
    "503,retry-after: seconds": "waits as asked; a registration is looked up",
    "503,retry-after: date": "waits as asked; a registration is looked up",
    "503,retry-after: epoch": "waits as asked; a registration is looked up",
    "503,retry-after: absurd": "waits an hour at most; a new run asks at once",
    "503,retry-after: negative": "backs off; a registration is looked up",
    "503,retry-after: other": "backs off; a registration is looked up",
    "504": "as 500",
    "504,after": "as 500; the look-up finds it",
    "portal": "backs off: a page is no answer of Redivis's",
    "blank": "backs off: the answer is not what was asked for",
    "blank,after": "as above; a registration is looked up and found",
    "redirect=301": "not followed; backs off",
    "redirect=302": "not followed; backs off",
    "redirect=303": "not followed; backs off",
    "redirect=307": "not followed; backs off",
    "redirect=308": "not followed; backs off",
    "reset": "backs off; a session is asked, a registration looked up",
    "reset-at": "the session is asked how much it kept",
    "lose-reply": "a session is asked, a registration looked up and found",
    "late": "looked up until `registration_doubt` is over: never posted twice",
    "delay": "waited for",
    "wait": "waited for",
    "never-read": "given up when the connection ends, or nothing moves for 60 s (API: 120 s)",
    "never-answer": "as above; a session is asked, a registration looked up",
    "never-answer,after": "as above; the look-up finds it",
    "endless-body": "cut off after 64 KiB (API: 4 MiB, lists 64 MiB)",
    "endless-body,after": "as above; a registration is looked up and found",
    "endless-headers": "the HTTP parser gives up; as after a lost reply",
    "endless-headers,after": "as above; a registration is looked up and found",
    "trickle": "waited for, while bytes move, for at most 300 s",
    "no-range": "the session is asked",
    "override-200": "read as 308",
    "plain-200": "the session is asked",
    "gap": "the session is asked",
    "keep": "goes on at the offset that the session tells",
    "finish-early": "another session is opened",
    "finish-more": "another session is opened",
    "ack-more": "another session is opened",
    "lose-stored": "another session is opened, where the bytes had been confirmed",
    "refuse-id": "`endpoint: auto` takes the other way, else parked",
    "again=rename": "the renamed one is taken off again, the first is found",
    "again=refuse": "the first is found",
    "again=refuse-id": "the first is found, or the file is parked and the first found by the retry",
    "import-failed": "taken off the table, parked with Redivis's words",
    "import-stuck": "waited for",
    "wrong-size": "taken off the table, sent once more, then parked",
    "wrong-md5": "taken off the table, sent once more, then parked",
    "no-size": "taken off the table, sent by the other way, or parked",
    "lag": "looked up again; nothing is posted twice",
    "release": "the next version is opened, the delivery found in the released one",
    "release,after": "the next version is opened, the delivery found in the released one",
    "close-draft": "the next version is opened anew",
    "close-draft,after": "the next version is opened anew",
}


def accounts(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("chaos-*.json"))]


def table(folder: Path) -> tuple[list[str], list[str]]:
    """The table's lines, and the faults that were never hit."""
    hits: Counter[str] = Counter()
    classes: dict[str, set[str]] = defaultdict(set)
    for one in accounts(folder):
        for hit in one["hits"]:
            hits[hit["fault"]] += hit["times"]
            classes[hit["fault"]].add(hit["class"])
    lines = ["| fault | hit | at | what the agent does |", "| --- | --- | --- | --- |"]
    for fault, outcome in OUTCOMES.items():
        kinds = sorted(classes[fault])
        at = ", ".join(f"`{kind}`" for kind in kinds[:4]) + (f" and {len(kinds) - 4} more" if len(kinds) > 4 else "")
        lines.append(f"| `{fault}` | {hits[fault]} | {at} | {outcome} |")
    unknown = sorted(set(hits) - set(OUTCOMES))
    assert not unknown, f"hit, and not in the table: {unknown}"
    return lines, [fault for fault in OUTCOMES if not hits[fault]]
