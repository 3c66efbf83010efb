"""Double-entry books in a text file."""
