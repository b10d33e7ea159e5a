import base64
import hashlib
import http.server
import threading

import pytest

from data_prep import fetch
from sketch_rnn_tf.errors import UserError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; the server's `drops` says after how many bytes each answer breaks off."""

    def do_HEAD(self):
        self.send_response(self.server.status)
        for value in self.server.hashes:
            self.send_header("x-goog-hash", value)
        self.end_headers()

    def do_GET(self):
        self.server.asked += 1
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        limit = self.server.drops.pop(0) if self.server.drops else len(self.server.content)
        self.wfile.write(self.server.content[:limit])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.content, server.drops, server.asked, server.hashes = CONTENT, [], 0, []
    server.status = 200
    server.url = f"http://127.0.0.1:{server.server_port}/sheep.npz"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "sheep.npz"


def test_a_file_arrives_and_nothing_is_left_beside_it(server, path):
    assert fetch.fetch(server.url, path, sha256=SHA256) == path
    assert path.read_bytes() == CONTENT
    assert [item.name for item in path.parent.iterdir()] == ["sheep.npz"]


def test_a_file_that_is_there_is_not_fetched_again(server, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    assert fetch.fetch(server.url, path).read_bytes() == b"mine"
    assert server.asked == 0


def test_a_connection_that_breaks_off_is_tried_again(server, path):
    server.drops = [500_000, 0]
    assert fetch.fetch(server.url, path, sha256=SHA256).read_bytes() == CONTENT
    assert server.asked == 3


def test_a_connection_that_never_brings_the_whole_file_leaves_nothing(server, path):
    server.drops = [10] * 9
    with pytest.raises(UserError, match=r"cannot fetch sheep\.npz from 127\.0"):
        fetch.fetch(server.url, path)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("given", ["sha256", "x-goog-hash"])
def test_damaged_content_is_refused(server, path, given):
    server.content = CONTENT[:-1] + b"x"
    server.hashes = [f"crc32c=AAAAAA==,md5={MD5}"] if given == "x-goog-hash" else []
    with pytest.raises(UserError, match="what came is damaged"):
        fetch.fetch(server.url, path, sha256=SHA256 if given == "sha256" else None)
    assert not list(path.parent.iterdir())


def test_the_checksum_of_google_s_storage_fits_the_right_content(server, path):
    server.hashes = ["crc32c=AAAAAA==", f"md5={MD5}"]
    assert fetch.fetch(server.url, path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403])
def test_the_answer_of_the_server_is_said(server, path, status):
    server.status = status
    with pytest.raises(UserError, match=f"the server answered {status}"):
        fetch.fetch(server.url, path)
    assert server.asked == 1


def test_a_web_page_in_place_of_the_file_is_refused(server, path):
    server.content = b"\n<!DOCTYPE html><html>log in</html>"
    with pytest.raises(UserError, match="the answer is a web page"):
        fetch.fetch(server.url, path)
    assert not path.exists()


def test_a_host_that_cannot_be_reached_is_named(path, monkeypatch):
    monkeypatch.setattr(fetch.time, "sleep", lambda seconds: None)
    with pytest.raises(UserError, match=r"from 127\.0\.0\.1:9: is this machine offline"):
        fetch.fetch("http://127.0.0.1:9/a.npz", path)
    with pytest.raises(UserError, match="expected an http or https address"):
        fetch.fetch("ftp://host/a.npz", path)


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SKETCH_RNN_CACHE", str(tmp_path / "a"))
    assert fetch.default_cache() == tmp_path / "a"
    monkeypatch.delenv("SKETCH_RNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert fetch.default_cache() == tmp_path / "b" / "sketch_rnn_tf"
