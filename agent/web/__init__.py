"""The page: all runs, and one run as a living picture, in a browser on this machine or as one file to pass on.

``follow`` reads journals while others write them, ``view`` makes plain data of what they say, ``server`` hands it to a page, and
``page`` puts the page together: live, or as a file with the data in it. ``static`` holds what runs in the browser.
"""
