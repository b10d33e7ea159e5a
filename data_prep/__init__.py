"""Files of drawings to TFRecords: readers, simplification, splits, shards."""
