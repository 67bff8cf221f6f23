"""What `amharic_packages.py` is made of: packages, environments, checks, the clock."""
