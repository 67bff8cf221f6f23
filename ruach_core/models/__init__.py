"""Base models: where they come from, and how they become a folder that training can load."""
