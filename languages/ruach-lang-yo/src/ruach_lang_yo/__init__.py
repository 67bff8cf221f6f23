"""Yoruba for Ruach."""
