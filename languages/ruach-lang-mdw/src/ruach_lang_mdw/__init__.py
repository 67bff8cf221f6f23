"""Mboshi (Bantu C25) for Ruach."""
