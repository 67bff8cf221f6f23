"""Core's own features as plugins: the same hooks and the same registration as any other plugin.

Only `ruach_core.plugins` names these modules, and it imports them as it imports all others.
"""
