"""Waves of a new model or setting: who gets it, what it does to them, and when it goes on or stops. Knows nobody."""
