"""ELAN and Praat TextGrid annotations as data for Ruach."""
