"""Readers: one file a format, each `path -> RawDocument`."""
