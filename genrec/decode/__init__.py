"""What a model may generate, and the best of it: trie, mask, constraint, tree beam search.

Knows tokens and nodes, nothing of users or items.
"""
