"""What can be asked of selected code: explain, input checks."""
