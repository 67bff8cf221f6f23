"""Hebrew for Ruach."""
