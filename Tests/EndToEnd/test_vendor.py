"""The vendor's own client uploads to the sandbox: a reader of the protocol that we did not write."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from harness import World, binary, plain_environment

SCRIPT = Path(__file__).with_name("vendor_client.py")


@pytest.mark.slow
def test_the_vendors_client_uploads_to_the_sandbox(world: World) -> None:
    environment = plain_environment(world.root) | {"REDIVIS_SYNC": shlex.quote(binary())}
    done = subprocess.run(
        [sys.executable, "-B", str(SCRIPT)], env=environment, cwd=world.root, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=240, check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
