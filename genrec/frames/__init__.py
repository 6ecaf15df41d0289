"""Data frames of pandas, Polars or Arrow, through narwhals: histories in, answers out."""
