import sys

from weave.cli import main

sys.exit(main(sys.argv[1:]))
