"""Files of pictures, read and written: PNG, TIFF, PNM, JPEG and others."""
