"""Theories turned on a user's own data: each module registers `Application` objects."""
