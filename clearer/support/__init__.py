"""What all rooms build on: files and their checks, caches, the device, interrupts."""
