"""The team's side of telemetry: events in, figures and the roll-out out."""
