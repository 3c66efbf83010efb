import sys

from vitrine.command import main

sys.exit(main(sys.argv[1:]))
