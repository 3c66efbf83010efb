import sys

from glosslink.cli import main

sys.exit(main(sys.argv[1:]))
