"""Numbers read off a state (3, nz, ny, nx) on its mesh: charge, walls, domain width, means."""
