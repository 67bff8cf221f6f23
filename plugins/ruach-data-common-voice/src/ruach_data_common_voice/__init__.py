"""Mozilla Common Voice for Ruach."""
