"""All drawings to shards: by a pool of processes or by Apache Beam, with the same bytes.

- `sources.py`: from the inputs of a command to units of work, and their entries in dataset.json.
- `job.py`: what an engine is given and gives back.
- `local.py`, `beam.py`: the two engines.
- `processes.py`: the pool of the first.
- `spool.py`: converted drawings on their way from those who read to those who write.
- `plan.py`: what goes where, decided once all drawings are known; warnings.
- `shards.py`: shards and dataset.json, the check of both, the folder they appear in.
"""
