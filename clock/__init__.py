"""Time as the database keeps it: aware UTC moments as whole microseconds."""
