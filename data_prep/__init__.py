"""Files of drawings to TFRecords.

- `readers/`: from files of any format to drawings.
- `conversion/`: from one drawing to the rows that are kept.
- `engines/`: from all drawings to shards.
- `prepare.py`, `inspect_dataset.py`, `download.py`: the commands.
- `prepare_flags.py`: the flags of `prepare.py`.
- `fetch.py`: files of other hosts into a cache.
"""
