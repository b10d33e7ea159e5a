"""One drawing to the rows that are kept: scale, simplification, near-duplicates, splits."""
