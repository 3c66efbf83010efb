"""The step graph: values, questions, the two loops and the scheduler. Knows no vendor, process, disk or terminal."""
