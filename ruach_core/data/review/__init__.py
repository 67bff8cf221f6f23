"""Suspicious clips, the page on which a person decides about them, and the decisions."""
