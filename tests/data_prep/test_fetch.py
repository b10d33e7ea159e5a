import base64
import contextlib
import hashlib
import http.server
import threading

import google_crc32c
import pytest

from data_prep import fetch

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; the server's `drops` says after how many bytes each answer breaks off."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if server.status != 200:
            self.send_error(server.status)
            return
        start = self._start()
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.send_header("ETag", server.etag)
        self.send_header("Content-Type", server.kind)
        for value in server.hashes:
            self.send_header("x-goog-hash", value)
        if start:
            size = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        limit = server.drops.pop(0) if server.drops else len(server.content)
        self.wfile.write(server.content[start : start + limit])
        self.close_connection = True

    def _start(self):
        asked = self.headers.get("Range")
        if not asked or not self.server.resumes or self.headers.get("If-Range") != self.server.etag:
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.content, server.drops, server.asked, server.hashes = CONTENT, [], [], []
    server.etag, server.kind, server.status, server.resumes = '"1"', "application/zip", 200, True
    server.url = f"http://127.0.0.1:{server.server_port}/sheep.npz"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def _fetch(server, folder, **fields):
    return fetch.fetch(server.url, folder / "cache" / "sheep.npz", pause=0.0, **fields)


def test_a_file_arrives_with_progress_and_nothing_is_left_beside_it(server, tmp_path):
    seen = []

    path = _fetch(server, tmp_path, sha256=DIGEST, on_progress=lambda *pair: seen.append(pair))

    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [item.name for item in path.parent.iterdir()] == ["sheep.npz"]


def test_a_connection_that_drops_half_way_is_taken_up_where_it_ended(server, tmp_path):
    server.drops = [500_000, 100_000]

    path = _fetch(server, tmp_path, sha256=DIGEST)

    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=500000-", "bytes=600000-"]


def test_an_interrupted_download_is_continued_by_the_next_run(server, tmp_path):
    server.drops = [300_000] + [0] * 50

    with pytest.raises(ValueError, match="ended after 300000 of 1024000 bytes; the same command"):
        _fetch(server, tmp_path, sha256=DIGEST)
    assert not (tmp_path / "cache" / "sheep.npz").exists()
    server.drops, server.asked = [], []
    path = _fetch(server, tmp_path, sha256=DIGEST)

    assert server.asked == ["bytes=300000-"]
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(server, tmp_path):
    server.drops = [300_000] + [0] * 50
    with contextlib.suppress(ValueError):
        _fetch(server, tmp_path)
    server.content, server.etag, server.drops = CONTENT[::-1], '"2"', []

    assert _fetch(server, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.resumes, server.drops = False, [300_000]

    assert _fetch(server, tmp_path, sha256=DIGEST).read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_asked_for(server, tmp_path):
    _fetch(server, tmp_path)
    _fetch(server, tmp_path)

    assert len(server.asked) == 1


def test_a_wrong_checksum_is_told_and_the_file_removed(server, tmp_path):
    with pytest.raises(ValueError, match=r"what came is damaged \(sha256 is"):
        _fetch(server, tmp_path, sha256="0" * 64)

    assert not list((tmp_path / "cache").glob(".sheep.npz.part*"))
    assert not (tmp_path / "cache" / "sheep.npz").exists()


@pytest.mark.parametrize("name", ["md5", "crc32c"])
@pytest.mark.parametrize("right", [True, False])
def test_the_checksum_that_the_server_states_is_checked(server, tmp_path, name, right):
    content = CONTENT if right else CONTENT + b"x"
    digests = {
        "md5": hashlib.md5(content).digest(),
        "crc32c": google_crc32c.value(content).to_bytes(4, "big"),
    }
    server.hashes = [f"{name}={base64.b64encode(digests[name]).decode()}"]

    if right:
        assert _fetch(server, tmp_path).read_bytes() == CONTENT
    else:
        with pytest.raises(ValueError, match=f"damaged .{name}"):
            _fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "words"), [(404, "answered 404 Not Found"), (403, "403"), (503, "answered 503")]
)
def test_a_refusal_is_told_as_it_is(server, tmp_path, status, words):
    server.status = status

    with pytest.raises(ValueError, match=words):
        _fetch(server, tmp_path)

    assert len(server.asked) == (fetch.ATTEMPTS if status == 503 else 1)


def test_a_web_page_in_place_of_the_file_is_noticed(server, tmp_path):
    server.kind = "text/html; charset=utf-8"

    with pytest.raises(ValueError, match="the answer is a web page"):
        _fetch(server, tmp_path)


def test_a_file_larger_than_the_disk_is_refused_before_it_comes(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))

    with pytest.raises(ValueError, match="are needed"):
        _fetch(server, tmp_path)


def test_no_server_and_no_name_are_told_as_being_offline(server, tmp_path):
    server.shutdown()
    server.server_close()

    with pytest.raises(ValueError, match="is this machine offline"):
        _fetch(server, tmp_path)
    with pytest.raises(ValueError, match=r"cannot find nowhere\.invalid: is this machine offline"):
        fetch.fetch("http://nowhere.invalid/x", tmp_path / "x", pause=0.0)


def test_other_addresses_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected an http or https address"):
        fetch.fetch("file:///etc/passwd", tmp_path / "x")
