import sys

from colfix.cli import main

sys.exit(main(sys.argv[1:]))
