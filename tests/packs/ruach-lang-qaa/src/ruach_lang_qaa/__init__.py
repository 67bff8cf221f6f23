"""A toy language pack under a private-use code, for Ruach's own tests."""
