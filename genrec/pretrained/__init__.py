"""A model as one folder: written, described, moved, uploaded and found again."""
