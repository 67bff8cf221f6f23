"""Long recordings with a known text: which words are said where, and how surely."""
