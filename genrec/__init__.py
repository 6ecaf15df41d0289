"""genrec: an LLM-native generative recommender."""
