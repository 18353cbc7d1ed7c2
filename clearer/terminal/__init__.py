"""What commands share: options that people type, and what they see on a terminal."""
