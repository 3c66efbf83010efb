"""``python -m agent.cli``: the command line where the console script is not installed."""

from agent.cli import main

main(prog_name="agent")
