from lendingdesk.server import main

main()
