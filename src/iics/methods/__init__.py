"""What is learned, method by method: stages in order, with their settings. `METHODS` is the dictionary of them."""
