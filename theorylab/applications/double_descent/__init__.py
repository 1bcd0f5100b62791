"""Double descent on a user's own data."""
