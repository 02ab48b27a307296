"""Features of crops in a vector database: index, search, forget."""
