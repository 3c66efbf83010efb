import sys

from bookkeep.cli import main

sys.exit(main(sys.argv[1:]))
