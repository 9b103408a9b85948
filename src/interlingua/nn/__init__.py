"""Building blocks: attention (the one seam for kernels), transformer, position, convolution."""
