"""What may stand between the agent and Redivis: a proxy that connects, and a front that speaks TLS, refuses large
bodies or cuts connections. On 127.0.0.1, in threads of the test's own."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import KIB, SandboxProcess

API_HOST, STORAGE_HOST = "redivis.test", "storage.test"


class Authority:
    """A certificate authority of one test, made with openssl."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self._make_key(self.key)
        self._openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "30", "-out", self.file)

    def _openssl(self, *arguments: object, environment: dict[str, str] | None = None) -> None:
        subprocess.run(
            ["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30, env=environment
        )

    def _make_key(self, path: Path) -> None:
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)

    def context(self, *names: str) -> ssl.SSLContext:
        """For a server with these names, or addresses."""
        stem = self.folder / ("server-" + names[0].replace(":", "_"))
        key, request, certificate, extras = (stem.with_suffix(end) for end in (".key", ".csr", ".pem", ".ext"))
        self._make_key(key)
        self._openssl("req", "-new", "-key", key, "-subj", "/CN=server", "-out", request)
        kinds = [f"IP:{name}" if name[0].isdigit() or ":" in name else f"DNS:{name}" for name in names]
        extras.write_text(f"subjectAltName={','.join(kinds)}\nbasicConstraints=CA:FALSE\n")
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", "7",
            "-extfile", extras, "-out", certificate,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context


@dataclass
class Front:
    """Stands before one origin of the sandbox. In answers it puts itself in the place of what it stands before."""

    upstream: str
    # Our own origins in the place of the sandbox's.
    names: dict[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    # Larger bodies are refused with 413, unread.
    largest: int | None = None
    # Of larger ones so many bytes are taken, none is passed on, and the connection is cut: a proxy that collects a body
    # before it passes it on, and gives up after a minute.
    cut_after: int | None = None
    refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        front = self
        upstream = urllib.parse.urlsplit(self.upstream).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def log_message(self, *_: object) -> None:
                pass

            def serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if front.largest is not None and length > front.largest:
                    front.refused.append(length)
                    self.close_connection = True
                    self.send_response(413)
                    self.send_header("Content-Length", "0")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    return
                connection = http.client.HTTPConnection(upstream, timeout=60)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    connection.putheader("Host", upstream)
                    for name, value in self.headers.items():
                        if name.lower() not in ("host", "connection"):
                            connection.putheader(name, value)
                    connection.endheaders()
                    if not self.pass_body(connection, length):
                        return
                    self.pass_answer(connection.getresponse())
                except OSError:
                    self.close_connection = True
                finally:
                    connection.close()

            def pass_body(self, connection: http.client.HTTPConnection, length: int) -> bool:
                if front.cut_after is not None and length > front.cut_after:
                    front.refused.append(length)
                    self.rfile.read(front.cut_after)
                    self.close_connection = True
                    return False
                passed = 0
                while passed < length:
                    piece = self.rfile.read(min(64 * KIB, length - passed))
                    if not piece:
                        self.close_connection = True
                        return False
                    passed += len(piece)
                    connection.send(piece)
                return True

            def pass_answer(self, answer: http.client.HTTPResponse) -> None:
                body = front.renamed(answer.read().decode("utf-8", "surrogateescape"))
                data = body.encode("utf-8", "surrogateescape")
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, front.renamed(value))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = serve

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, object]:
                connection, address = super().get_request()
                connection.settimeout(60)
                # The handshake is the handler's thread's, so that nobody holds up the others.
                if front.context:
                    connection = front.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def origin(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}"

    def renamed(self, text: str) -> str:
        for old, new in self.names.items():
            text = text.replace(old, new)
        return text

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class ConnectProxy:
    """An HTTP proxy that only connects (RFC 9110 section 9.3.6), and only to hosts that it knows."""

    def __init__(self, places: dict[str, int], credentials: str | None = None) -> None:
        # "host:port" to the port on this machine that is really connected to.
        self.places = places
        self.credentials = credentials
        # In force for all that asks: what it answers in the place of connecting.
        self.refusal: str | None = None
        self.tunnels: set[socket.socket] = set()
        # What was asked of it, and what it answered.
        self.asked: list[tuple[str, int]] = []
        self.heads: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return self.listening.getsockname()[1]

    def _accept(self) -> None:
        while self.is_open:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(60)
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    head += piece
                self.heads.append(head)
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                answer = self._answer(method, target, lines[1:])
                self.asked.append((target, int(answer.split(" ")[0])))
                connection.sendall(f"HTTP/1.1 {answer}\r\n".encode() + (b"" if answer[0] == "2" else b"Content-Length: 0\r\n") + b"\r\n")
                if answer[0] == "2":
                    with socket.create_connection(("127.0.0.1", self.places[target]), 10) as other:
                        self.tunnels.add(connection)
                        self._pump(connection, other)
            except OSError:
                return
            finally:
                self.tunnels.discard(connection)

    def refuse(self, answer: str) -> None:
        """Ends what is connected, and answers so until `accept`."""
        self.refusal = answer
        for connection in list(self.tunnels):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self) -> None:
        self.refusal = None

    def _answer(self, method: str, target: str, fields: list[str]) -> str:
        if self.refusal:
            return self.refusal
        if self.credentials is not None:
            wanted = "basic " + base64.b64encode(self.credentials.encode()).decode()
            told = [line.split(":", 1)[1].strip() for line in fields if line.lower().startswith("proxy-authorization:")]
            if [one.split(" ")[0].lower() + " " + one.split(" ")[-1] for one in told] != [wanted]:
                return "407 Proxy Authentication Required"
        if method != "CONNECT":
            return "405 Method Not Allowed"
        return "200 Connection established" if target in self.places else "502 Bad Gateway"

    @staticmethod
    def _pump(left: socket.socket, right: socket.socket) -> None:
        others = {left: right, right: left}
        while True:
            ready, _, _ = select.select([left, right], [], [], 60)
            if not ready:
                return
            for one in ready:
                data = one.recv(256 * KIB)
                if not data:
                    return
                others[one].sendall(data)

    def stop(self) -> None:
        self.is_open = False
        # Wakes the one that accepts.
        try:
            self.listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listening.close()


@dataclass
class Distance:
    """The sandbox far away: under two names that only the proxy knows, behind TLS."""

    api: str
    authority: Authority
    proxy: ConnectProxy


@contextmanager
def far_away(sandbox: SandboxProcess, folder: Path, credentials: str | None = None) -> Iterator[Distance]:
    authority = Authority(folder)
    context = authority.context(API_HOST, STORAGE_HOST)
    host = sandbox.api.removesuffix("/api/v1")
    names = {host: f"https://{API_HOST}", sandbox.storage: f"https://{STORAGE_HOST}"}
    fronts = [Front(origin, names, context) for origin in (host, sandbox.storage)]
    proxy = ConnectProxy({f"{API_HOST}:443": fronts[0].port, f"{STORAGE_HOST}:443": fronts[1].port}, credentials)
    try:
        yield Distance(f"https://{API_HOST}/api/v1", authority, proxy)
    finally:
        proxy.stop()
        for front in fronts:
            front.stop()
