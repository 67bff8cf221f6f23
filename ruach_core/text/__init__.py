"""Text: Unicode facts, rule chains, and what languages of one script share."""
