"""What commands share: options, and output on a terminal."""
