"""Items to semantic IDs: vectors, codes without collisions, names of codes, one frozen table."""
