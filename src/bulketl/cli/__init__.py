"""The terminal: commands, screens, progress, and the demo."""
