"""Reads and writes files of pictures: PNG, TIFF, PNM, JPEG and others."""
