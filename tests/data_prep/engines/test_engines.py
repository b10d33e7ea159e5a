import pytest

from data_prep import readers
from data_prep.conversion import convert
from data_prep.engines import local, spool
from data_prep.engines.job import Job
from sketch_rnn_tf.data import dataset, tfrecord


def _job(paths, **fields):
    units = [unit for path in paths for unit in readers.units(path)]
    return Job(units, fields.pop("options", convert.Options()), **fields)


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


def _run(job, folder, workers=1):
    folder.mkdir()
    return local.run(job, folder, workers)


@pytest.fixture
def small_units(monkeypatch):
    """Makes every file a unit of its own."""
    monkeypatch.setattr("data_prep.readers.inputs.BUNCH_FILES", 1)


@pytest.mark.large
def test_shards_are_the_same_bytes_whatever_the_number_of_workers(
    tmp_path, write_ndjson, small_units
):
    paths = [write_ndjson(f"{i}.ndjson", 60, f"class{i % 3}", i % 2, seed=i) for i in range(6)]
    job = _job(paths, shard_bytes=4096)

    results = [_run(job, tmp_path / f"w{workers}", workers) for workers in (1, 2, 4)]

    assert len(job.units) == 6
    first, second, third = (_contents(tmp_path / f"w{workers}") for workers in (1, 2, 4))
    assert len(first) > 8
    assert first == second == third
    assert results[0].shards == results[1].shards == results[2].shards


def test_every_drawing_is_in_exactly_one_shard(tmp_path, write_ndjson, small_units):
    paths = [write_ndjson(f"{i}.ndjson", 50, f"class{i}", seed=i) for i in range(3)]

    result = _run(_job(paths, shard_bytes=3000), tmp_path / "out")

    keys = [
        tfrecord.parse(serialized, "x").key.decode()
        for shard in result.shards
        for serialized in tfrecord.read_frames(tmp_path / "out" / shard.file)
    ]
    expected = [sketch.key for path in paths for sketch in readers.read(path)]
    assert sorted(keys) == sorted(expected)
    assert len(set(keys)) == 150
    assert result.classes == ["class0", "class1", "class2"]


def test_records_stand_in_the_order_of_their_hashes_through_all_shards(tmp_path, write_ndjson):
    path = write_ndjson(count=200)
    (batch,) = convert.batches(0, next(iter(readers.units(path))), convert.Options())

    result = _run(_job([path], shard_bytes=3000), tmp_path / "out")

    for name in dataset.SPLITS:
        keys = [
            tfrecord.parse(serialized, "x").key
            for shard in result.shards
            if shard.split == name
            for serialized in tfrecord.read_frames(tmp_path / "out" / shard.file)
        ]
        assert keys == [key for key in batch.keys if key in set(keys)]


def test_finished_units_are_not_converted_again(tmp_path, write_ndjson, small_units, monkeypatch):
    job = _job([write_ndjson(f"{i}.ndjson", 30, seed=i) for i in range(3)])
    folder = tmp_path / "out"
    complete = _run(job, tmp_path / "complete")
    original, done = spool.write, []

    def interrupted(path, batch):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(path)
        original(path, batch)

    monkeypatch.setattr(spool, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(job, folder)
    done.clear()
    monkeypatch.setattr(spool, "write", lambda *args: (done.append(args[0]), original(*args)))

    result = local.run(job, folder, 1)

    assert len(done) == 1
    assert result.shards == complete.shards
    assert _contents(folder) == _contents(tmp_path / "complete")


def test_dropped_duplicates_are_counted_by_class_and_gone(tmp_path, write_ndjson):
    once, again = write_ndjson("a.ndjson", 30), write_ndjson("b.ndjson", 30)
    again.write_text(again.read_text().replace('"key_id": "', '"key_id": "again'))

    kept = _run(_job([once, again]), tmp_path / "kept")
    dropped = _run(_job([once, again], drop_duplicates=True), tmp_path / "dropped")

    assert (kept.near, dropped.near) == (30, 30)
    assert sum(shard.num_records for shard in kept.shards) == 60
    assert sum(shard.num_records for shard in dropped.shards) == 30
    assert dropped.tally.dropped == {(convert.DUPLICATE, "cat"): 30}
    assert not kept.tally.dropped


def test_the_splits_of_an_npz_file_are_kept_and_rows_taken_as_they_are(tmp_path, write_npz, rows):
    sizes = {"train": 7, "valid": 3, "test": 2}
    splits = {name: [rows(5 + i, i) for i in range(n)] for name, n in sizes.items()}

    result = _run(_job([write_npz(**splits)]), tmp_path / "out")

    assert [(shard.split, shard.num_records) for shard in result.shards] == list(sizes.items())
    for shard in result.shards:
        stored = {
            tfrecord.parse(item, "x").strokes.astype("int16").tobytes()
            for item in tfrecord.read_frames(tmp_path / "out" / shard.file)
        }
        assert stored == {array.tobytes() for array in splits[shard.split]}
