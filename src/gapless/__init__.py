"""gapless: when does plain gradient flow escape the spurious minima of phase retrieval, and why?"""
