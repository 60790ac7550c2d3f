"""The door for hosting providers and domain administrators: the control panel."""
