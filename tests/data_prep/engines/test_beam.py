import dataclasses
import os
import random
import shutil

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam (extra [beam]) is not installed")

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.localfilesystem import LocalFileSystem

from data_prep import prepare
from data_prep.conversion import splits
from data_prep.engines import beam, shards
from sketch_rnn_tf.data import dataset

pytestmark = pytest.mark.large


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_beam_writes_the_same_files_as_the_process_pool(tmp_path, write_ndjson, capsys):
    inputs = [
        write_ndjson("a.ndjson", 150, "cat", raw=True),
        write_ndjson("b.ndjson", 90, "dog", seed=1, points=3),
        write_ndjson("c.ndjson", 30, "cat", raw=True, seed=3),
    ]
    copied = inputs[2].read_text().replace("cat3", "again")
    inputs[2].write_text(inputs[2].read_text() + copied)
    flags = [f"--input={path}" for path in inputs]
    flags += ["--drop_duplicates", "--recognized_only", "--min_points=10", "--max_seq_len=23"]

    local = prepare.run([*flags, f"--output_dir={tmp_path}/local", "--workers=1"])
    by_beam = prepare.run(
        [*flags, f"--output_dir={tmp_path}/beam", "--engine=beam", "--direct_num_workers=1"]
    )

    assert (local, by_beam) == (0, 0)
    assert _contents(tmp_path / "local") == _contents(tmp_path / "beam")
    dropped = dataset.read_info(tmp_path / "beam").dropped
    assert set(dropped) == {"duplicate", "not_recognized", "too_long", "too_short"}


def test_many_shards_are_the_same_too(tmp_path, write_ndjson):
    path = str(write_ndjson(count=400))

    for name, runner in (("local", None), ("beam", ["--runner=DirectRunner"])):
        prepare.prepare([path], tmp_path / name, shard_bytes=4000, workers=1, runner=runner)

    assert len(_contents(tmp_path / "beam")) > 10
    assert _contents(tmp_path / "local") == _contents(tmp_path / "beam")


def test_errors_are_the_local_engines_own_sentences(tmp_path, write_ndjson, capsys):
    broken = write_ndjson()
    broken.write_text(broken.read_text() + '{"word": ')
    few = write_ndjson("few.ndjson", 1)

    for flags in ([f"--input={broken}"], [f"--input={few}"], [f"--input={few}", "--min_points=99"]):
        messages = []
        for i, engine in enumerate(("local", "beam")):
            out = f"--output_dir={tmp_path}/{engine}{len(messages)}"
            assert prepare.run([*flags, out, f"--engine={engine}", "--workers=1"]) == 1, i
            messages.append(capsys.readouterr().err.strip().splitlines()[-1])
        assert messages[0] == messages[1]


def test_few_groups_are_found_in_any_order_each_with_its_first_class():
    groups = [(i % 50, "cat" if i % 3 else "ant") for i in range(200)]
    random.Random(0).shuffle(groups)
    combine = beam.FewGroups()

    parts = []
    for first in range(0, len(groups), 17):
        accumulator = combine.create_accumulator()
        for group in groups[first : first + 17]:
            accumulator = combine.add_input(accumulator, group)
        parts.append(accumulator)

    assert combine.merge_accumulators(parts) == dict.fromkeys(range(50), "ant")


def test_many_groups_are_not_all_kept():
    combine = beam.FewGroups()
    accumulator = combine.create_accumulator()
    for i in range(3 * splits.SMALL):
        accumulator = combine.add_input(accumulator, (i, "cat"))

    assert len(combine.merge_accumulators([accumulator, {-1: "cat"}])) == splits.SMALL + 1


class _Bucket(LocalFileSystem):
    """A file system that only Beam can reach: `bucket://` stands for a folder."""

    root = ""

    @classmethod
    def scheme(cls):
        return "bucket"

    def _local(self, path):
        return str(path).replace("bucket://", f"{self.root}/")

    def _remote(self, path):
        return path.replace(f"{self.root}/", "bucket://")

    def join(self, base, *paths):
        return "/".join([base.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def match(self, patterns, limits=None):
        found = super().match([self._local(pattern) for pattern in patterns], limits)
        for result in found:
            result.metadata_list = [
                dataclasses.replace(item, path=self._remote(item.path))
                if dataclasses.is_dataclass(item)
                else type(item)(self._remote(item.path), item.size_in_bytes)
                for item in result.metadata_list
            ]
        return found

    def create(self, path, mime_type="application/octet-stream", compression_type=None):
        os.makedirs(os.path.dirname(self._local(path)), exist_ok=True)
        return super().create(self._local(path), compression_type=CompressionTypes.UNCOMPRESSED)

    def open(self, path, mime_type="application/octet-stream", compression_type=None):
        return super().open(self._local(path), compression_type=CompressionTypes.UNCOMPRESSED)

    def exists(self, path):
        return super().exists(self._local(path))

    def checksum(self, path):
        return super().checksum(self._local(path))

    def mkdirs(self, path):
        raise NotImplementedError("object stores have no folders")

    def rename(self, sources, destinations):
        super().rename(list(map(self._local, sources)), list(map(self._local, destinations)))

    def delete(self, paths):
        for path in map(self._local, paths):
            if os.path.isdir(path):
                os.rmdir(path)
            else:
                os.remove(path)


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setattr(_Bucket, "root", str(tmp_path / "bucket"))
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


def test_input_and_output_may_lie_where_only_beam_can_reach(tmp_path, bucket, write_ndjson):
    for i in range(3):
        shutil.copy(write_ndjson(f"{i}.ndjson", 40, f"class{i}", seed=i), bucket)
    local = prepare.prepare([str(bucket)], tmp_path / "local", workers=1)
    runner = ["--runner=DirectRunner"]

    remote = prepare.prepare(["bucket://*.ndjson"], "bucket://out", runner=runner)

    assert [shard["num_records"] for shard in remote.shards] == [
        shard["num_records"] for shard in local.shards
    ]
    assert remote.sources[0]["files"] == 3
    assert sum(count for _, count in shards.verify(bucket / "out")) == 120
    assert not (bucket / "out" / shards.WORKSPACE).exists()
    with pytest.raises(ValueError, match="exists already"):
        prepare.prepare(["bucket://*.ndjson"], "bucket://out", runner=runner)
    prepare.prepare(["bucket://*.ndjson"], "bucket://out", runner=runner, overwrite=True)
    with pytest.raises(ValueError, match="there is no such file"):
        prepare.prepare(["bucket://none"], "bucket://out2", runner=runner)
