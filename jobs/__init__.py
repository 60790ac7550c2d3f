"""Work that no visitor waits for: tasks on a schedule, and long jobs with progress and cancel."""
