"""The methods: stages in order, with their settings. `METHODS` is the dictionary of all methods."""
