import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from limner.engine.errors import InputError, OutputError, TooLarge, UsageError
from limner.models import download
from limner.models.download import fetch

DATA = bytes(range(256)) * 9000
SHA = hashlib.sha256(DATA).hexdigest()


class Server(HTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut, self.ranges, self.asked, self.status = None, True, [], 200
        self.url = f"http://127.0.0.1:{self.server_port}/files/w.pth"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        begin = int(wanted[6:-1]) if wanted and server.ranges else 0
        if begin >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(DATA) - begin))
        self.end_headers()
        self.wfile.write(DATA[begin:server.cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    it = Server()
    thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield it
    it.shutdown()
    it.server_close()
    thread.join()


def test_whole_file(server, tmp_path):
    told = []
    path = fetch(server.url, SHA.upper(), tmp_path / "deep" / "w.pth", lambda *a: told.append(a))
    assert path.read_bytes() == DATA and told[-1] == (len(DATA), len(DATA))
    assert [p.name for p in path.parent.iterdir()] == ["w.pth"]
    fetch(server.url, SHA, path)
    assert len(server.asked) == 1                                        # what is there and right is not fetched again


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_a_cut(server, tmp_path, ranges):
    server.cut, server.ranges = 1_000_000, ranges
    path = tmp_path / "w.pth"
    with pytest.raises(InputError, match="call again"):
        fetch(server.url, SHA, path)
    assert not path.exists() and (tmp_path / "w.pth.part").stat().st_size == 1_000_000
    server.cut = None
    assert fetch(server.url, SHA, path).read_bytes() == DATA
    assert server.asked == [None, "bytes=1000000-"]


def test_complete_part_needs_nothing_more(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(DATA)
    assert fetch(server.url, SHA, tmp_path / "w.pth").read_bytes() == DATA


def test_wrong_digest_is_not_kept(server, tmp_path):
    with pytest.raises(InputError, match="not kept"):
        fetch(server.url, "0" * 64, tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())


def test_refusals(server, tmp_path, monkeypatch):
    for url in ("http://example.org/w", "file:///etc/passwd", "ftp://example.org/w", "w.pth"):
        with pytest.raises(UsageError, match="https"):
            fetch(url, SHA, tmp_path / "w")
    with pytest.raises(UsageError, match="64 hex digits"):
        fetch(server.url, "abc", tmp_path / "w")
    server.status = 404
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(server.url, SHA, tmp_path / "w")
    server.status = 200
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(TooLarge):
        fetch(server.url, SHA, tmp_path / "w")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        fetch(server.url, SHA, tmp_path / "file" / "w")
