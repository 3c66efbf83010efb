"""The bundled demonstration: a spec and the recording of a live model's answers to it."""

from pathlib import Path

SPEC = Path(__file__).parent / "spec.md"
"""What ``agent demo`` builds."""
RECORDING = Path(__file__).parent / "recording.jsonl"
"""Answers of a live model, made through ``manual:`` and ``--record``, unedited."""
