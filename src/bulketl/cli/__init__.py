"""The terminal: commands, screens, progress, and the demo.

A command parses, calls one act of `bulketl`, prints by one of the screens, and exits.
"""
