import sys

from galley.command import main

sys.exit(main(sys.argv[1:]))
