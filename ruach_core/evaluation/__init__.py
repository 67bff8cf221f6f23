"""Decoding, error rates and reports; nothing in here loads torch or transformers."""
