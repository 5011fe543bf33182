"""Thumbs and comments on a page where they are tagged by theme, and as CSV: a user's own, or a team's."""
