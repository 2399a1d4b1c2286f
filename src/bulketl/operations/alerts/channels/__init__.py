"""The channels: a module each, which sends a message and, where the other side can tell, asks who has acknowledged it.

A module says what the other side answered; what may not be repeated of that, `sending` takes out.
"""
