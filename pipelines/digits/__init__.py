"""Handwritten digits from pixels, Fourier coefficients and profiles."""
