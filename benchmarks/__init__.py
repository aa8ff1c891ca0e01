"""Measurements that anyone can repeat: each prints a table and writes one JSON with hardware, versions and commit."""
