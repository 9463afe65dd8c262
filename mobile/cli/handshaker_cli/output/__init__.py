"""How results are shown: as text for people, or as JSON for programs."""
