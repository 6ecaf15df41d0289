"""What a user says of their own profile, and what that does to a request."""

from genrec.preferences.language import Gift, Preferences, Want, Wish, read_preferences
from genrec.preferences.steering import Steering

__all__ = ["Gift", "Preferences", "Steering", "Want", "Wish", "read_preferences"]
