"""Messages to many users of the server: mail, and reminders that pop up in the panel."""
