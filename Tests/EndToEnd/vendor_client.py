"""The vendor's own client uploads to the sandbox, and every byte is found in the sandbox's directory.

    python3 Tests/EndToEnd/vendor_client.py            as a script, or
    python3 -m pytest Tests/EndToEnd/vendor_client.py  where pytest is there

The client is installed into .build-venv at the first run. REDIVIS_SYNC names the program (default
.build/debug/redivis-sync); REDIVIS_SYNC_VENV another place for the client.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import textwrap
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = pathlib.Path(os.environ.get("REDIVIS_SYNC_VENV", ROOT / ".build-venv"))
PROGRAM = shlex.split(os.environ.get("REDIVIS_SYNC", str(ROOT / ".build/debug/redivis-sync")))
CLIENT = "redivis==0.21.1"

# What the client does at each size, by its own thresholds of 1 MiB and 32 MiB.
UPLOADS = [("small.csv", 100_000, "inline"), ("middle.csv", 5_000_000, "whole"), ("large.csv", 100_000_000, "resumable")]


def client_python():
    """The interpreter that has the client. Its full dependencies take a gigabyte; uploads need three of them."""
    if importlib.util.find_spec("redivis"):
        return pathlib.Path(sys.executable)
    python = VENV / "bin" / "python"
    stamp = VENV / "redivis-client"
    if not stamp.exists() or stamp.read_text() != CLIENT:
        venv.create(VENV, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(pip + ["requests", "tqdm", "niquests"], check=True)
        subprocess.run(pip + ["--no-deps", CLIENT], check=True)
        stamp.write_text(CLIENT)
    return python


@contextlib.contextmanager
def sandbox(directory):
    command = PROGRAM + ["sandbox", "--port", "0", "--directory", str(directory), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line, f"the sandbox ended with status {process.wait(timeout=10)} before it listened"
        yield json.loads(line)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


SCRIPT = textwrap.dedent(
    """
    import sys
    import redivis
    table = redivis.organization("demo").dataset("vendor", version="next").table("uploads")
    for path in sys.argv[1:]:
        upload = table.upload(path.rsplit("/", 1)[-1]).create(path, progress=False)
        print(upload["name"], upload["status"])
    """
)


def make_file(path, size, seed):
    """A CSV whose rows never repeat, cut to the byte."""
    source = random.Random(seed)
    with open(path, "wb") as file:
        block = b""
        written = 0
        while written < size:
            block = source.randbytes(48_000).hex().encode() + b",1\n"
            block = block[: size - written]
            file.write(block)
            written += len(block)


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def log_of(directory):
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def test_the_vendors_client_delivers_every_byte():
    python = client_python()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        directory = folder / "sandbox"
        files = {name: folder / name for name, _, _ in UPLOADS}
        for seed, (name, size, _) in enumerate(UPLOADS):
            make_file(files[name], size, seed)
        with sandbox(directory) as origins:
            environment = dict(os.environ, REDIVIS_API_ENDPOINT=origins["api"], REDIVIS_API_TOKEN="sandbox")
            # Loopback never goes through a proxy.
            environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1"
            result = subprocess.run(
                [str(python), "-c", SCRIPT, *map(str, files.values())],
                env=environment, capture_output=True, text=True, timeout=180,
            )
            assert result.returncode == 0, result.stderr[-4000:]
            assert [line.split() for line in result.stdout.splitlines()] == [[name, "completed"] for name in files]

        found = [json.loads(path.read_text()) for path in (directory / "registrations").glob("*.json")]
        assert sorted(r["name"] for r in found) == sorted(files)
        for registration in found:
            size, via = next((s, v) for n, s, v in UPLOADS if n == registration["name"])
            assert not registration["deleted"] and registration["status"] == "completed"
            assert (registration["size"], registration["via"]) == (size, via)
            assert digest(directory / "objects" / registration["object"]) == digest(files[registration["name"]])

        log = log_of(directory)
        assert [e["class"] for e in log if e["class"] in ("put-whole", "start-session", "put-chunk")] == [
            "put-whole", "start-session", "put-chunk",
        ]
        assert all(e["status"] is not None and e["status"] < 500 for e in log)
        # The client is known to send its token to every upload URL: the sandbox's second origin makes that visible.
        assert {e["token"] for e in log if e["origin"] == "storage"} == {"sandbox"}


if __name__ == "__main__":
    test_the_vendors_client_delivers_every_byte()
    print("the vendor's client delivered every byte")
    sys.exit(0)
