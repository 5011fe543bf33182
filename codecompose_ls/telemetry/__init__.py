"""Events of a suggestion's life, their store and their metrics. Knows nobody."""
