"""Tables come over from an older pipeline, and go back: what is compared, who serves what, and how tables change hands."""
