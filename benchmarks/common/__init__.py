"""What the comparisons with other software share: clips, models, timing, and how results show."""
