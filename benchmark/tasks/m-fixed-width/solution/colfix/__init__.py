"""Fixed-width records to CSV and back."""
