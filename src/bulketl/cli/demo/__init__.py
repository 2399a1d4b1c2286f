"""The demo: two throw-away servers, a small clinic, and the real command line between them.

`programs` lists every program that the servers need; what is missing is found from that list and installed where it may
be. Tests compare the list with the code, and with what the start of both servers really calls.
"""
