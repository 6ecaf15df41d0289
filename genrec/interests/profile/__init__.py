"""The interests a history shows, and how they move; knows items and codes, nothing of text."""
