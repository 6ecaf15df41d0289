"""Recommendations for a whole user base: in shards, in one process or on Ray, resumable."""
