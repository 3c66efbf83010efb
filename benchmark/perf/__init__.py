"""Programs that measure this one. Each prints one JSON object; ``--quick`` takes a short look."""
