import http.server
import json
import pathlib
import threading
import urllib.parse

import pytest

from data_prep import download

FILES = {
    "/googlecreativelab/quickdraw-dataset/master/categories.txt": b"cat\ndog\nhot air balloon\n",
    "/quickdraw_dataset/sketchrnn/cat.npz": b"a cat",
    "/quickdraw_dataset/sketchrnn/hot%20air%20balloon.npz": b"a balloon",
    "/quickdraw_dataset/full/raw/cat.ndjson": b"a raw cat",
    "/quickdraw_dataset/full/raw/dog.ndjson": b"a raw dog",
    "/quickdraw_dataset/full/raw/hot%20air%20balloon.ndjson": b"a raw balloon",
    "/quickdraw-models/sketchRNN/models/bird.gen.json": b"a bird",
    "/quickdraw-models/sketchRNN/large_models/bird.gen.json": b"a large bird",
    "/hardmaru/sketch-rnn-datasets/master/omniglot/omniglot.npz": b"not the published bytes",
}


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = FILES.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"--mirror=http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_classes_are_fetched_into_the_cache_and_their_paths_printed(mirror, tmp_path, capsys):
    flags = ["--dataset=quickdraw:cat,hot air balloon", mirror, f"--cache_dir={tmp_path}"]

    assert download.run([*flags, "--json"]) == 0

    paths = json.loads(capsys.readouterr().out)["files"]
    assert [pathlib.Path(path).read_bytes() for path in paths] == [b"a cat", b"a balloon"]
    assert paths[1] == f"{tmp_path}/quickdraw/npz/hot air balloon.npz"


def test_all_classes_are_those_of_the_published_list(mirror, tmp_path, capsys):
    flags = ["--dataset=quickdraw:all", "--variant=raw", mirror, f"--cache_dir={tmp_path}"]

    assert download.run(flags) == 0

    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_published_file_must_have_its_published_checksum(mirror, tmp_path, capsys):
    assert download.run(["--dataset=omniglot", mirror, f"--cache_dir={tmp_path}"]) == 1

    assert "what came is damaged" in capsys.readouterr().err


def test_the_known_checksums_are_those_of_the_real_files(shared_data):
    import hashlib

    for known in download.SINGLE.values():
        path = shared_data(f"sketchrnn/{known.url.rpartition('/')[2]}")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == known.sha256
        assert path.stat().st_size == known.size


def test_a_misspelt_class_or_data_set_gets_a_suggestion(mirror, tmp_path, capsys):
    cache = f"--cache_dir={tmp_path}"

    assert download.run(["--dataset=quickdraw:dgo", mirror, cache]) == 1
    assert "no class 'dgo'; did you mean dog?" in capsys.readouterr().err
    assert download.run(["--dataset=omniglott", mirror, cache]) == 2
    assert "did you mean omniglot?" in capsys.readouterr().err
    assert download.run(["--dataset=quickdraw:", mirror, cache]) == 2


def test_every_address_is_https():
    urls = [one["url"] for part in download.catalog().values() for one in part.values()]

    assert len(urls) > 100
    assert {urllib.parse.urlsplit(url).scheme for url in urls} == {"https"}
    assert all(" " not in url for url in urls)


def test_a_model_of_google_is_fetched_by_name(mirror, tmp_path, capsys):
    flags = [mirror, f"--cache_dir={tmp_path}"]

    assert download.run(["--model=bird", *flags]) == 0
    assert pathlib.Path(capsys.readouterr().out.strip()).read_bytes() == b"a bird"
    assert download.run(["--model=bird", "--large", *flags]) == 0
    assert pathlib.Path(capsys.readouterr().out.strip()).read_bytes() == b"a large bird"
    assert download.run(["--model=brid", *flags]) == 2
    assert "unknown model 'brid'; did you mean" in capsys.readouterr().err


def test_list_shows_sizes_and_licenses_and_fetches_nothing(capsys):
    assert download.run(["--list"]) == 0
    text = capsys.readouterr().out
    assert "aaron_sheep        2.3 MB  CC-BY-NC-4.0" in text
    assert "untried" in text
    assert download.run(["--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["datasets"]["omniglot"]["license"] == "MIT"
    assert found["models"]["bird"]["url"].endswith("/sketchRNN/models/bird.gen.json")


def test_flags_that_would_have_no_effect_are_refused(capsys):
    for flags, message in (
        ([], "give --dataset or --model"),
        (["--dataset=omniglot", "--variant=raw"], "--variant is for"),
        (["--dataset=omniglot", "--large"], "--large is for --model"),
    ):
        assert download.run(flags) == 2
        assert message in capsys.readouterr().err
