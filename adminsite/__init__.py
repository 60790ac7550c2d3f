"""What the Django admin pages of all rooms share. It stands below every room and knows none."""
