"""Observers: they are told what happens in a run and show it. None can change, slow or stop a load."""
