"""Networks over token ids; nothing here knows of probability but log p of given targets."""
