"""Ge'ez for Ruach; `hooks` is the pack's only door."""
