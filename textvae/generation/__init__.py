"""From z to sentences and back."""
