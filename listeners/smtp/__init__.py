"""The door for mail: other servers on the server port, users' programs on the submission ports."""
