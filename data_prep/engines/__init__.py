"""All drawings to shards: a local process pool or Apache Beam, with the same bytes."""
