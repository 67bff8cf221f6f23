"""Webdataset tar shards for Ruach."""
