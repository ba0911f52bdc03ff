"""What things in URLs may be called: nothing that a client would have to escape."""

NAME = r"^[A-Za-z0-9._@-]{1,128}$"

MOST = 2**53
"""Numbers of versions end before this: every reader of JSON keeps what is less exactly."""
