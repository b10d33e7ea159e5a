"""TFRecords of sketches and the tf.data pipeline that turns them into batches."""
