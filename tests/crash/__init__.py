"""What was answered 250 is there exactly once, whatever is killed when."""
