"""What all rooms stand on: files and their checks, caches, the device, interrupts."""
