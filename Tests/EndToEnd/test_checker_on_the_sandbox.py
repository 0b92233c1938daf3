"""The judge on what a real sandbox writes: an upload made by hand, request by request, and slips made on purpose."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request

from checker import Expected, check
from harness import MIB, TABLE, World, wait_until
from upload_names import upload_name


def put(url: str, body: bytes, content_range: str, **headers: str) -> int:
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Range": content_range} | headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def open_session(world: World, size: int) -> dict:
    table = urllib.parse.quote(TABLE, safe="")
    status, answer = world.sandbox.request("POST", f"/tables/{table}/resumableUpload?size={size}", b"")
    assert status in (200, 201), answer
    return json.loads(answer)


def register(world: World, name: str, identifier: str) -> None:
    table = urllib.parse.quote(TABLE, safe="")
    body = json.dumps({"name": name, "resumableUploadId": identifier}).encode()
    status, answer = world.sandbox.request("POST", f"/tables/{table}/uploads", body, Content_Type="application/json")
    assert status in (200, 201), answer
    wait_until(lambda: all(one.status == "completed" for one in world.record.uploads()), 20)


def expected(content: bytes) -> tuple[Expected, str]:
    digest = hashlib.sha256(content).digest()
    return Expected(TABLE, (b"a.bin",), len(content), digest), upload_name(b"a.bin", digest)


def test_an_upload_by_hand_holds(world: World) -> None:
    content = world.generator.randbytes(2 * MIB + 5)
    session = open_session(world, len(content))
    assert put(session["url"], content[:MIB], f"bytes 0-{MIB - 1}/{len(content)}") == 308
    # One chunk again, as after a doubt: counted, and kept once.
    assert put(session["url"], content[:MIB], f"bytes 0-{MIB - 1}/{len(content)}") == 308
    assert put(session["url"], content[MIB:], f"bytes {MIB}-{len(content) - 1}/{len(content)}") in (200, 201)
    file, name = expected(content)
    register(world, name, session["id"])
    assert check(world.record, [file]).problems == []
    assert world.record.received_by_size() == {len(content): len(content) + MIB}
    assert any(secret in session["url"] for secret in world.record.secrets())


def test_the_same_transfer_under_its_name_twice_is_seen(world: World) -> None:
    content = b"content"
    session = open_session(world, len(content))
    assert put(session["url"], content, "bytes 0-6/7") in (200, 201)
    file, name = expected(content)
    register(world, name, session["id"])
    register(world, name, session["id"])
    problems = check(world.record, [file]).problems
    assert any("registered 2 times" in problem for problem in problems), problems
    assert any("is nothing that was to arrive" in problem or "2 times" in problem for problem in problems)


def test_a_token_at_an_upload_url_is_seen(world: World) -> None:
    content = b"content"
    session = open_session(world, len(content))
    put(session["url"], content, "bytes 0-6/7", Authorization="Bearer sandbox")
    file, name = expected(content)
    register(world, name, session["id"])
    assert [problem for problem in check(world.record, [file]).problems if "Authorization" in problem]


def test_another_users_upload_is_told_apart(world: World) -> None:
    number = world.sandbox.foreign_upload(TABLE, "by hand.csv", b"x\n")
    assert check(world.record, []).problems
    assert check(world.record, [], foreign=[number]).problems == []


def test_a_sandbox_that_starts_again_keeps_everything(world: World) -> None:
    content = world.generator.randbytes(MIB + 5)
    session = open_session(world, len(content))
    assert put(session["url"], content[:MIB], f"bytes 0-{MIB - 1}/{len(content)}") == 308
    world.sandbox.start_again()
    assert put(session["url"], content[MIB:], f"bytes {MIB}-{len(content) - 1}/{len(content)}") in (200, 201)
    file, name = expected(content)
    register(world, name, session["id"])
    assert check(world.record, [file]).problems == []
