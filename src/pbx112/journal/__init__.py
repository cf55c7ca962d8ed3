"""Reads Asterisk's journal (CEL as CSV) like a write-ahead log: each line becomes one row, exactly once."""
