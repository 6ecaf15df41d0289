"""What a user cares about: summaries in words, checked against events."""
