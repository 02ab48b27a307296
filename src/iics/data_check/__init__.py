"""What can be wrong with crops, found before any training, and a picture of what each camera sees."""
