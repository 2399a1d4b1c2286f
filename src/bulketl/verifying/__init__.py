"""The target compared with the source: rows, keys, sums, months and pairs of queries; and repaired."""
