import sys

from crewplan.cli import main

sys.exit(main(sys.argv[1:]))
