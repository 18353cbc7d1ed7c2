"""Restores pictures with a network: tiles, noise levels, whole folders, PSNR and SSIM."""
